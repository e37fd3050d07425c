//! A file as an HTTP body, read as it is sent: 64 KB of it are in memory, however long it is.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::fs::File;
use tokio::io::{AsyncRead, ReadBuf};

/// Read at once.
const PIECE: usize = 64 * 1024;

/// The file's bytes, as many as it had when it was opened.
pub struct FileBody {
    file: File,
    left: u64,
    buffer: Box<[u8]>,
}

impl FileBody {
    /// Opens it.
    pub async fn open(path: &Path) -> io::Result<FileBody> {
        let file = File::open(path).await?;
        let left = file.metadata().await?.len();
        Ok(FileBody { file, left, buffer: vec![0; PIECE].into_boxed_slice() })
    }

    /// Bytes to come.
    pub fn len(&self) -> u64 {
        self.left
    }

    /// Nothing to come.
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let FileBody { file, left, buffer } = self.get_mut();
        let most = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Poll::Ready(None);
        }
        let mut piece = ReadBuf::new(buffer.get_mut(..most).unwrap_or_default());
        if let Err(error) = ready!(Pin::new(file).poll_read(context, &mut piece)) {
            return Poll::Ready(Some(Err(error)));
        }
        let bytes = Bytes::copy_from_slice(piece.filled());
        if bytes.is_empty() {
            // Shorter than it was: the receiver must not take it for whole.
            return Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::UnexpectedEof))));
        }
        *left -= bytes.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
