//! The input as senders meet it: over real sockets.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::LocalSet;

use super::*;
use crate::listen::Listen;

struct Rig {
    input: TcpInput,
    address: std::net::SocketAddr,
}

impl Rig {
    fn new(change: impl FnOnce(&mut TcpInputSettings)) -> Self {
        let mut settings = TcpInputSettings {
            listen: Listen::Address("127.0.0.1:0".parse().unwrap()),
            tls: None,
            connections: 8,
            max_record: 1000,
            buffer: 100_000,
            timeout: Duration::from_secs(10),
            sessions: 8,
        };
        change(&mut settings);
        let input = TcpInput::open(&settings).unwrap();
        let address = input.door.as_ref().unwrap().listener.local_addr().unwrap();
        Self { input, address }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// The next payload.
    async fn next(&mut self) -> String {
        let message = self.input.next().await.unwrap().unwrap();
        String::from_utf8(message.payload.to_vec()).unwrap()
    }

    /// Waits until so many connections ended for this reason.
    async fn closed(&mut self, why: &str, count: u64) {
        self.input.start().unwrap();
        while self.input.report()["closed"][why] != count {
            sleep(Duration::from_millis(1)).await;
        }
    }
}

async fn line(stream: &mut TcpStream) -> String {
    let mut line = String::new();
    while !line.ends_with('\n') {
        line.push(char::from(stream.read_u8().await.unwrap()));
    }
    line
}

#[tokio::test]
async fn nonsense_costs_its_own_connection_and_no_other() {
    LocalSet::new()
        .run_until(async {
            let mut rig = Rig::new(|_| {});
            let (mut one, mut other) = (rig.connect().await, rig.connect().await);
            one.write_all("1 a 1 1\nGET\n🐵🙈🙉\n1 b 1 1\nPO".as_bytes())
                .await
                .unwrap();
            assert_eq!(rig.next().await, "GET");
            other.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
            rig.closed("malformed", 1).await;
            one.write_all("ST\n🐵🙈🙉\n".as_bytes()).await.unwrap();
            assert_eq!(rig.next().await, "POST");
            drop(one);
            rig.closed("finished", 1).await;
            rig.input.end().await;
            let report = rig.input.report();
            assert_eq!(
                (&report["messages"], &report["connections"]),
                (&2.into(), &2.into())
            );
            assert_eq!(report["not_taken"], 0);
            assert!(report.get("sessions").is_none());
        })
        .await;
}

#[tokio::test]
async fn what_is_beyond_the_bounds_is_refused_and_counted() {
    LocalSet::new()
        .run_until(async {
            let mut rig = Rig::new(|settings| {
                settings.connections = 1;
                settings.max_record = 10;
                settings.timeout = Duration::from_millis(50);
            });
            let mut slow = rig.connect().await;
            slow.write_all(b"1 a ").await.unwrap();
            rig.closed("slow", 1).await;
            let idle = rig.connect().await;
            let mut second = rig.connect().await;
            rig.closed("too_many", 1).await;
            assert_eq!(second.read(&mut [0; 1]).await.unwrap(), 0);
            drop(idle);
            rig.closed("finished", 1).await;
            let mut large = rig.connect().await;
            large
                .write_all("1 a 1 1\n12345678901\n🐵🙈🙉\n".as_bytes())
                .await
                .unwrap();
            rig.closed("too_large", 1).await;
        })
        .await;
}

#[tokio::test]
async fn what_is_not_whole_has_half_of_the_buffer_at_most() {
    LocalSet::new()
        .run_until(async {
            let mut rig = Rig::new(|settings| {
                settings.buffer = 1000;
                settings.max_record = 100_000;
            });
            let mut large = rig.connect().await;
            large.write_all(b"1 a 1 1\n").await.unwrap();
            large.write_all(&[b'x'; 600]).await.unwrap();
            rig.closed("memory", 1).await;
            assert_eq!(rig.input.shared.budget.used(), 0);
        })
        .await;
}

#[tokio::test]
async fn what_was_taken_is_acknowledged_and_not_taken_again() {
    LocalSet::new()
        .run_until(async {
            let mut rig = Rig::new(|_| {});
            let mut sender = rig.connect().await;
            sender
                .write_all(b"shadow-agent-relay/1 s-0\n1 11\n1 a 1 1\nGET2 12\n1 b 1 1\nPOST")
                .await
                .unwrap();
            assert_eq!(rig.next().await, "GET");
            assert_eq!(
                line(&mut sender).await,
                "shadow-agent-relay/1 0\n",
                "nothing is taken yet"
            );
            assert_eq!(rig.next().await, "POST");
            assert_eq!(line(&mut sender).await, "1\n");
            drop(sender);
            rig.closed("finished", 1).await;
            let mut again = rig.connect().await;
            again
                .write_all(b"shadow-agent-relay/1 s-0\n2 12\n1 b 1 1\nPOST3 11\n1 c 1 1\nPUT")
                .await
                .unwrap();
            assert_eq!(rig.next().await, "PUT");
            rig.input.end().await;
            let said = [line(&mut again).await, line(&mut again).await];
            assert_eq!(
                said,
                ["shadow-agent-relay/1 2\n", "3\n"],
                "the last word at the end"
            );
            let session = &rig.input.report()["sessions"]["s-0"];
            assert_eq!(
                *session,
                serde_json::json!({"received": 3, "requests": 3, "duplicates": 1, "last": 3})
            );
        })
        .await;
}

#[tokio::test]
async fn what_was_not_taken_is_not_acknowledged_at_the_end() {
    LocalSet::new()
        .run_until(async {
            let mut rig = Rig::new(|_| {});
            let mut sender = rig.connect().await;
            sender
                .write_all(b"shadow-agent-relay/1 s-0\n1 11\n1 a 1 1\nGET2 12\n1 b 1 1\nPOST")
                .await
                .unwrap();
            assert_eq!(rig.next().await, "GET");
            rig.input.end().await;
            let mut said = String::new();
            sender.read_to_string(&mut said).await.unwrap();
            assert_eq!(said, "shadow-agent-relay/1 0\n1\n");
        })
        .await;
}

#[tokio::test]
async fn who_is_silent_for_longest_makes_room_for_who_speaks() {
    LocalSet::new()
        .run_until(async {
            let mut rig = Rig::new(|settings| settings.connections = 2);
            let mut first = rig.connect().await;
            let mut second = rig.connect().await;
            second
                .write_all("1 a 1 1\nGET\n🐵🙈🙉\n".as_bytes())
                .await
                .unwrap();
            assert_eq!(rig.next().await, "GET");
            sleep(Duration::from_millis(1100)).await;
            let mut third = rig.connect().await;
            third
                .write_all("1 b 1 1\nPUT\n🐵🙈🙉\n".as_bytes())
                .await
                .unwrap();
            assert_eq!(rig.next().await, "PUT");
            rig.closed("silent", 1).await;
            assert_eq!(first.read(&mut [0; 1]).await.unwrap(), 0);
            second
                .write_all("1 c 1 1\nPOST\n🐵🙈🙉\n".as_bytes())
                .await
                .unwrap();
            assert_eq!(rig.next().await, "POST");
        })
        .await;
}

#[tokio::test]
async fn a_receiver_that_waits_says_that_it_is_there() {
    LocalSet::new()
        .run_until(async {
            let mut rig = Rig::new(|_| {});
            let mut sender = rig.connect().await;
            sender
                .write_all(b"shadow-agent-relay/1 s-0\n1 11\n1 a 1 1\nGET")
                .await
                .unwrap();
            assert_eq!(rig.next().await, "GET");
            let said = [line(&mut sender).await, line(&mut sender).await];
            assert_eq!(said, ["shadow-agent-relay/1 0\n", "0\n"], "it is not taken yet");
        })
        .await;
}
