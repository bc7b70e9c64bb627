//! The lines of the README's "From the shell", as they stand there.

use std::{fs, path::PathBuf, process::Stdio};

use harness::Port;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    process::Command,
};

use crate::program::{Program, Proxy};

/// A folder of this test run, gone at its end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The shell and all that it started in the background, ended with the test.
struct Group(Pid);

impl Drop for Group {
    fn drop(&mut self) {
        let _ = kill_process_group(self.0, Signal::TERM);
    }
}

#[tokio::test]
async fn the_readmes_lines_for_the_shell_do_what_they_say() {
    let proxy = Proxy::start().await;
    let folder = Folder(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-readme", std::process::id())));
    fs::create_dir_all(folder.0.join("folder")).expect("made");
    fs::write(folder.0.join("folder/file"), "kept").expect("written");
    let web = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = web.local_addr().expect("bound").port().to_string();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = web.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(socket.read_u8().await.expect("a request"));
            }
            socket.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\na page\n").await.expect("sent");
        }
    });
    let held = Port::hold();
    let free = held.address().port().to_string();

    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).expect("it is there");
    let section = readme.split("\n## From the shell\n").nth(1).expect("the section");
    let lines = section.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).expect("its lines");
    let lines = lines.replace("8000", &port).replace("9000 web &", &format!("{free} web > port &"));
    // Who types has seen by then that the name is there.
    let lines = lines.replace("\nbss ls ", "\nwhile ! bss ls | grep -qx web; do sleep 0.1; done\nbss ls ");
    let script = format!(
        "trap 'echo; echo through' EXIT\n{lines}\nwhile ! grep -q web port; do sleep 0.1; done\n\
         curl --silent --noproxy '*' http://127.0.0.1:{free}/\ntar xOf folder.tar folder/file\n"
    );
    let bss = PathBuf::from(env!("CARGO_BIN_EXE_bss"));
    let path = format!("{}:{}", bss.parent().expect("a folder").display(), std::env::var("PATH").expect("a path"));
    let mut shell = Command::new("/bin/sh");
    shell.arg("-euc").arg(&script).current_dir(&folder.0).env("PATH", path).env("BSS_URL", proxy.address.to_string());
    let shell = shell.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("a shell");
    let group = Group(Pid::from_raw(shell.id().expect("it runs") as i32).expect("an id"));
    let mut shell = Program(shell);
    let mut said = Vec::new();
    loop {
        said.push(shell.line().await);
        if said.last().is_some_and(|line| line == "through") {
            break;
        }
    }
    drop(group);
    assert_eq!(said.first().map(String::as_str), Some("hello"), "{said:?}");
    assert!(said.ends_with(&["a page", "kept", "through"].map(str::to_owned)), "{said:?}");
    assert!(said.contains(&"echo".into()) && said.contains(&"web".into()), "{said:?}");
}
