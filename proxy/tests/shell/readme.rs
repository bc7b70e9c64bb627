//! The lines of the README's "From the shell", as they stand there.

use std::{fs, path::PathBuf, process::Stdio};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    process::Command,
};

use crate::program::{Proxy, within};

/// A folder of this test run, gone at its end.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
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
    // Free a moment ago, which is as good as free.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound").port().to_string();

    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).expect("it is there");
    let section = readme.split("\n## From the shell\n").nth(1).expect("the section");
    let lines = section.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).expect("its lines");
    let lines = lines.replace("8000", &port).replace("9000 web &", &format!("{free} web > port &"));
    let script = format!(
        "trap 'kill $(jobs -p)' EXIT\n{lines}\nwhile ! grep -q web port; do sleep 0.1; done\n\
         curl --silent --noproxy '*' http://127.0.0.1:{free}/\ntar xOf folder.tar folder/file\n"
    );
    let bss = PathBuf::from(env!("CARGO_BIN_EXE_bss"));
    let path = format!("{}:{}", bss.parent().expect("a folder").display(), std::env::var("PATH").expect("a path"));
    let mut shell = Command::new("/bin/sh");
    shell.arg("-euc").arg(&script).current_dir(&folder.0).env("PATH", path).env("BSS_URL", proxy.address.to_string());
    let ran = within(shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).output()).await.expect("a shell");
    let (said, errors) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{said}\n{errors}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.first(), Some(&"hello"), "{said}\n{errors}");
    assert!(lines.ends_with(&["a page", "kept"]) && lines.contains(&"echo") && lines.contains(&"web"), "{said}\n{errors}");
}
