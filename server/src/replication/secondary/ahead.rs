//! Asks ahead: questions go out while answers to earlier ones come in.
//!
//! Both at the same time, always: if each side only wrote until the other took it, both would wait for
//! ever once the network between them is full.

use tokio::sync::mpsc;

use super::reconcile::SyncError;
use crate::replication::wire::{FrameWriter, Message};
use tokio::io::AsyncWrite;

/// Sends what comes through `questions` while `reading` goes on, whose outcome is given.
pub(crate) async fn ask<T>(
    writer: &mut FrameWriter<impl AsyncWrite + Unpin>,
    mut questions: mpsc::Receiver<Message>,
    reading: impl Future<Output = Result<T, SyncError>>,
) -> Result<T, SyncError> {
    let writing = async {
        while let Some(question) = questions.recv().await {
            writer.send(&question).await?;
        }
        Ok(())
    };
    tokio::pin!(reading);
    tokio::select! {
        outcome = &mut reading => outcome,
        written = writing => match (written, reading.await) {
            // The peer's own words say more than that it is gone.
            (Err(written), Err(SyncError::Transport(_))) => Err(written),
            (_, outcome) => outcome,
        },
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{ReadHalf, SimplexStream, WriteHalf, simplex};

    use super::*;
    use crate::replication::wire::{FrameReader, RefusalCode};

    /// As much as goes into the network between two sides.
    const NETWORK: usize = 1 << 10;
    /// A message that does not.
    const LONG: usize = 64 << 10;

    struct Side {
        reader: FrameReader<ReadHalf<SimplexStream>>,
        writer: FrameWriter<WriteHalf<SimplexStream>>,
    }

    fn sides() -> (Side, Side) {
        let ((up_read, up_write), (down_read, down_write)) = (simplex(NETWORK), simplex(NETWORK));
        let side = |read, write| {
            let mut reader = FrameReader::new(read);
            reader.trust();
            Side { reader, writer: FrameWriter::new(write) }
        };
        (side(down_read, up_write), side(up_read, down_write))
    }

    fn question() -> Message {
        Message::Differ(vec![7; LONG])
    }

    // Whoever writes all questions before it reads waits for a peer that waits for it.
    #[tokio::test]
    async fn answers_are_read_while_questions_are_written() {
        let (mut here, mut there) = sides();
        let (asking, questions) = mpsc::channel(4);
        for _ in 0..4 {
            asking.send(question()).await.unwrap();
        }
        let answering = async {
            for _ in 0..4 {
                assert_eq!(there.reader.next().await.unwrap(), question());
                for _ in 0..2 {
                    there.writer.send(&Message::DifferReply(vec![8; LONG])).await.unwrap();
                }
            }
        };
        let reading = async {
            for _ in 0..8 {
                let answer = here.reader.next().await?;
                assert_eq!(answer, Message::DifferReply(vec![8; LONG]));
            }
            drop(asking);
            Ok(())
        };
        let (asked, ()) = tokio::join!(ask(&mut here.writer, questions, reading), answering);
        asked.unwrap();
    }

    // A peer that ends the conversation does not take what is still being written to it.
    #[tokio::test]
    async fn why_the_peer_ended_it_counts_more_than_that_it_did() {
        for words in [true, false] {
            let (mut here, mut there) = sides();
            let (asking, questions) = mpsc::channel(4);
            for _ in 0..4 {
                asking.send(question()).await.unwrap();
            }
            if words {
                let text = "enough".to_owned();
                let refused = Message::Refused { code: RefusalCode::Failed, text };
                there.writer.send(&refused).await.unwrap();
            }
            drop(there);
            let reading = async {
                match here.reader.next().await? {
                    Message::Refused { text, .. } => Err::<(), _>(SyncError::Refused(text)),
                    other => panic!("{other:?}"),
                }
            };
            let outcome = ask(&mut here.writer, questions, reading).await;
            let told = matches!(&outcome, Err(SyncError::Refused(text)) if text == "enough");
            let gone = matches!(&outcome, Err(SyncError::Transport(_)));
            assert!(if words { told } else { gone }, "{outcome:?}");
        }
    }
}
