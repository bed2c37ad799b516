//! One connection over which starts are sent as fast as a host takes them: HTTP/1.1, kept alive, nothing more than
//! that. The load must cost little beside the host that it measures.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than any answer of a host that lives.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);

pub(super) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(super) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    /// Send a body and answer the status; what the host says beside it is read and dropped.
    pub(super) fn post(&mut self, path: &str, headers: &str, body: &str) -> io::Result<u16> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}\r\n",
            body.len()
        );
        self.stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
        self.answer()
    }

    fn answer(&mut self) -> io::Result<u16> {
        self.buffer.clear();
        let head_end = loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            self.read_more()?;
        };
        let head = String::from_utf8_lossy(&self.buffer[..head_end]).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length = length.and_then(|length| length.trim().parse::<usize>().ok());
        let (Some(status), Some(length)) = (status, length) else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("an answer without status or length: {head}"),
            ));
        };
        while self.buffer.len() < head_end + length {
            self.read_more()?;
        }
        Ok(status)
    }

    fn read_more(&mut self) -> io::Result<()> {
        let mut chunk = [0u8; 4096];
        match self.stream.read(&mut chunk)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.buffer.extend_from_slice(&chunk[..count]);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn answers_in_pieces_are_put_together_and_one_without_a_length_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has free ports");
        let address = listener.local_addr().expect("a bound socket has an address");
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client comes");
            let mut request = [0u8; 1024];
            for answer in
                [&["HTTP/1.1 202 Ac", "cepted\r\nContent-Length: 5\r\n\r\nab", "cde"][..], &["HTTP/1.1 200\r\n\r\n"]]
            {
                assert!(stream.read(&mut request).expect("a request") > 0);
                answer.iter().for_each(|piece| stream.write_all(piece.as_bytes()).expect("the client reads"));
            }
        });
        let mut connection = Connection::open(address).expect("the server listens");
        assert_eq!(connection.post("/", "", "{}").expect("an answer"), 202);
        assert_eq!(connection.post("/", "", "{}").expect_err("no length").kind(), io::ErrorKind::InvalidData);
        server.join().expect("the server ran");
    }
}
