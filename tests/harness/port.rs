//! A port of a test's own, at which nobody listens until a program does.

use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

/// A port of this machine that is given to nobody else for as long as this is kept. Whoever connects is refused, until a program that is told of the port listens there: Linux lets
/// it, as both say `SO_REUSEADDR`, which servers do.
#[must_use = "dropping it gives the port away"]
pub struct Port {
    address: SocketAddr,
    _socket: Socket,
}

impl Port {
    pub fn hold() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_reuse_address(true).expect("set");
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a free port");
        let address = socket.local_addr().expect("bound").as_socket().expect("of IP");
        Self { address, _socket: socket }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{ErrorKind, Read, Write},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    #[test]
    fn a_port_refuses_until_a_server_is_there_and_again_behind_it() {
        let port = Port::hold();
        for _ in 0..3 {
            assert_eq!(TcpStream::connect(port.address()).expect_err("nobody listens").kind(), ErrorKind::ConnectionRefused);
            // As any server does, it says that it would have the port again.
            let listener = TcpListener::bind(port.address()).expect("it may");
            let mut client = TcpStream::connect(port.address()).expect("it listens");
            // The server's side closes first, and its end of the connection stays for a while.
            listener.accept().expect("a client").0.write_all(b"x").expect("sent");
            assert_eq!(client.read(&mut [0; 2]).expect("sent"), 1);
        }
    }
}
