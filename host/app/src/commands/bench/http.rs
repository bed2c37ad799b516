//! Load through the API: one kept connection a client, the smallest HTTP/1.1 that does it, so that the measuring costs
//! little beside what is measured.

use anyhow::Context as _;
use host_core::json::Json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::load::{Client, Clients, SAGA_TIMEOUT, of_client};
use crate::client::encode;

/// Bytes of an answer's head and body that are read at most.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// What every client of this kind shares.
pub struct OverHttp {
    authority: String,
    /// All of it but the length of the body.
    head: String,
    body: Json,
}

impl OverHttp {
    pub fn new(base: &str, token: Option<&str>, use_case: &str, body: &Json) -> anyhow::Result<Self> {
        let authority = base.strip_prefix("http://").context("a host's address begins with http://")?;
        let authority = authority.split('/').next().unwrap_or_default();
        let authorization = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
        let head = format!(
            "POST /v1/use-cases/{}/sagas HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/json\r\n\
             prefer: wait={}\r\n{authorization}",
            encode(use_case),
            SAGA_TIMEOUT.as_secs(),
        );
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let authority = if has_port { authority.to_owned() } else { format!("{authority}:80") };
        Ok(Self { authority, head, body: body.clone() })
    }
}

impl Clients for OverHttp {
    type Client = Connection;

    async fn client(&self, number: u32) -> anyhow::Result<Connection> {
        let body = of_client(&self.body, number)?;
        let request = format!("{}content-length: {}\r\n\r\n{}", self.head, body.len(), body.as_str()).into_bytes();
        let stream = TcpStream::connect(&self.authority).await.context("connecting to the host")?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream: BufReader::new(stream), request, answer: Vec::new() })
    }
}

/// One client's connection.
pub struct Connection {
    stream: BufReader<TcpStream>,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Client for Connection {
    async fn run_one(&mut self) -> anyhow::Result<bool> {
        self.stream.get_mut().write_all(&self.request).await?;
        let status = self.read_answer().await?;
        anyhow::ensure!(
            (200..300).contains(&status),
            "the host answered {status}: {}",
            String::from_utf8_lossy(&self.answer)
        );
        let answer: Answer = serde_json::from_slice(&self.answer)?;
        Ok(answer.status == "completed")
    }
}

#[derive(serde::Deserialize)]
struct Answer<'a> {
    status: &'a str,
}

impl Connection {
    /// Read one answer; its body is left in `answer`.
    async fn read_answer(&mut self) -> anyhow::Result<u16> {
        let first = self.line().await?;
        let status = first.split(' ').nth(1).and_then(|word| word.parse().ok()).context("the answer is no HTTP")?;
        let mut length = 0;
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().context("the answer's length is no number")?;
            }
        }
        anyhow::ensure!(length <= ANSWER_BYTES_MAX, "the answer has {length} bytes");
        self.answer.resize(length, 0);
        self.stream.read_exact(&mut self.answer).await?;
        Ok(status)
    }

    async fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        let read = (&mut self.stream).take(64 << 10).read_line(&mut line).await?;
        anyhow::ensure!(read > 0, "the host closed the connection");
        Ok(line.trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn one_connection_carries_saga_after_saga() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("its address"));
        let host = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut request = vec![0; 4096];
            for status in ["completed", "compensated"] {
                let read = stream.read(&mut request).await.expect("a request");
                let text = String::from_utf8_lossy(&request[..read]).into_owned();
                assert!(text.starts_with("POST /v1/use-cases/a%20b/sagas HTTP/1.1\r\n"), "{text}");
                assert!(
                    text.contains("authorization: Bearer t\r\n") && text.ends_with("\r\n\r\n{\"a\":\"7\"}"),
                    "{text}"
                );
                let body = format!("{{\"global-id\":\"x\",\"status\":\"{status}\"}}");
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                stream.write_all(answer.as_bytes()).await.expect("an answer");
            }
        });
        let body = Json::try_from_text("{\"a\":\"{client}\"}").expect("JSON");
        let clients = OverHttp::new(&base, Some("t"), "a b", &body).expect("an address");
        let mut client = clients.client(7).await.expect("a connection");
        assert!(client.run_one().await.expect("an answer"));
        assert!(!client.run_one().await.expect("an answer"));
        assert!(client.run_one().await.is_err(), "the host has gone away");
        host.await.expect("the host's own checks");
    }
}
