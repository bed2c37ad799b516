//! Misbehaves: tries everything a sandbox must refuse, and answers what it got.

use std::net::{TcpStream, UdpSocket};

fn handle(_: guests::Context, _: String) -> guests::Outcome {
    let got = [
        ("file", std::fs::read("/etc/passwd").is_ok()),
        ("folder", std::fs::read_dir("/").is_ok()),
        ("write", std::fs::write("/tmp/escaped", b"1").is_ok()),
        ("environment", std::env::vars().next().is_some()),
        ("arguments", std::env::args().next().is_some()),
        ("tcp", TcpStream::connect("127.0.0.1:22").is_ok()),
        ("udp", UdpSocket::bind("127.0.0.1:0").is_ok()),
        ("name", std::net::ToSocketAddrs::to_socket_addrs("localhost:1").is_ok()),
    ];
    let reached: Vec<_> = got.iter().filter(|(_, reached)| *reached).map(|(what, _)| *what).collect();
    guests::done(format!("{reached:?}"))
}

guests::step!(handle);
