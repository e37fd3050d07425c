//! A recording as an HTTP body, read (and decrypted) as it is sent: some 64 KB of it are in memory, however long it is. Owns what is
//! read when; refuses names, and what encryption is (`seal`).

use std::fs::File as Blocking;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::fs::File;
use tokio::io::{AsyncRead, ReadBuf};

use super::file::{self, Form, HEADER};
use super::seal::{HEAD, Measure, STRIDE, Seal, SealError};
use super::{Found, Talks};
use crate::model::CallId;

/// Read at once.
const PIECE: usize = 64 * 1024;

/// Why a recording cannot be given out.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The disk.
    #[error(transparent)]
    Disk(#[from] io::Error),
    /// The encryption.
    #[error(transparent)]
    Sealed(#[from] SealError),
}

/// A recording's bytes as a WAV, as many as there were when it was opened.
pub struct Body {
    file: File,
    /// Bytes to come.
    left: u64,
    buffer: Box<[u8]>,
    filled: usize,
    form: Reading,
}

enum Reading {
    Plain,
    /// The WAV's header, until it is sent; chunks opened so far.
    Sealed {
        seal: Box<Seal>,
        header: Option<[u8; HEADER]>,
        chunks: u64,
    },
}

/// What was found and opened.
pub enum Opened {
    /// Nothing.
    None,
    /// It is being made.
    Unfinished,
    /// Here. `incomplete`: a part of it is missing.
    Here {
        /// The WAV.
        body: Box<Body>,
        /// A part is missing.
        incomplete: bool,
    },
}

impl Talks {
    /// Looks for a call's recording and opens it, on the threads that may wait for a disk.
    pub async fn open(&self, call: CallId) -> Result<Opened, Unreadable> {
        let talks = self.clone();
        let opened = tokio::task::spawn_blocking(move || talks.open_now(call)).await;
        opened.map_err(io::Error::other)?
    }

    fn open_now(&self, call: CallId) -> Result<Opened, Unreadable> {
        let (path, incomplete): (PathBuf, bool) = match self.find(call) {
            Found::Whole(path) => (path, false),
            Found::Incomplete(path) => (path, true),
            Found::Unfinished => return Ok(Opened::Unfinished),
            Found::None => return Ok(Opened::None),
        };
        let sealed = file::parse(&path).and_then(|(_, ending)| Form::of_finished(ending)) == Some(Form::Sealed);
        if !sealed {
            let body = Body::plain(&path)?;
            return Ok(Opened::Here { body: Box::new(body), incomplete });
        }
        let (body, ended) = self.sealed(call, &path)?;
        Ok(Opened::Here { body: Box::new(body), incomplete: incomplete || !ended })
    }

    fn sealed(&self, call: CallId, path: &Path) -> Result<(Body, bool), Unreadable> {
        let mut file = Blocking::open(path)?;
        let mut head = [0; HEAD];
        let bytes = file.metadata()?.len();
        file.read_exact(&mut head).map_err(|_| SealError::Broken)?;
        let seal = Seal::open(self.key.as_ref(), call, &head)?;
        let chunks = bytes.saturating_sub(HEAD as u64);
        file.seek(SeekFrom::Start(HEAD as u64 + chunks / STRIDE as u64 * STRIDE as u64))?;
        let mut tail = Vec::with_capacity(STRIDE);
        (&mut file).take(STRIDE as u64).read_to_end(&mut tail)?;
        let Measure { samples, ended } = Measure::of(&seal, chunks, &tail);
        file.seek(SeekFrom::Start(HEAD as u64))?;
        let header = file::header(u32::try_from(samples).map_err(|_| SealError::Broken)?);
        let form = Reading::Sealed { seal: Box::new(seal), header: Some(header), chunks: 0 };
        let body = Body {
            file: File::from_std(file),
            left: samples + HEADER as u64,
            buffer: vec![0; STRIDE].into_boxed_slice(),
            filled: 0,
            form,
        };
        Ok((body, ended))
    }
}

impl Body {
    fn plain(path: &Path) -> io::Result<Body> {
        let file = Blocking::open(path)?;
        let left = file.metadata()?.len();
        let buffer = vec![0; PIECE].into_boxed_slice();
        Ok(Body { file: File::from_std(file), left, buffer, filled: 0, form: Reading::Plain })
    }

    /// Bytes to come.
    pub fn len(&self) -> u64 {
        self.left
    }

    /// Nothing to come.
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// Reads on until `most` bytes are in the buffer or the file ends.
    fn fill(&mut self, context: &mut Context<'_>, most: usize) -> Poll<io::Result<()>> {
        while self.filled < most {
            let mut piece = ReadBuf::new(self.buffer.get_mut(self.filled..most).unwrap_or_default());
            ready!(Pin::new(&mut self.file).poll_read(context, &mut piece))?;
            match piece.filled().len() {
                0 => break,
                more => self.filled += more,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The next bytes of the WAV, out of a full buffer.
    fn next(&mut self) -> io::Result<Bytes> {
        let filled = std::mem::take(&mut self.filled);
        let read = self.buffer.get_mut(..filled).unwrap_or_default();
        let bytes = match &mut self.form {
            Reading::Plain => Bytes::copy_from_slice(read),
            Reading::Sealed { seal, chunks, .. } => {
                // What stands behind the last samples is the end, or was measured to be no chunk.
                let wanted =
                    usize::try_from(self.left).unwrap_or(usize::MAX).saturating_add(STRIDE - super::seal::CHUNK);
                let chunk = read.get_mut(..filled.min(wanted)).unwrap_or_default();
                let samples = seal.unseal(*chunks, chunk).map_err(io::Error::other)?;
                *chunks += 1;
                Bytes::copy_from_slice(samples)
            }
        };
        if bytes.is_empty() {
            // Shorter than it was: the receiver must not take it for whole.
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        self.left = self.left.saturating_sub(bytes.len() as u64);
        Ok(bytes)
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let body = self.get_mut();
        if let Reading::Sealed { header, .. } = &mut body.form
            && let Some(header) = header.take()
        {
            body.left -= header.len() as u64;
            return Poll::Ready(Some(Ok(Frame::data(Bytes::copy_from_slice(&header)))));
        }
        let most = match body.form {
            Reading::Plain => usize::try_from(body.left).unwrap_or(usize::MAX).min(body.buffer.len()),
            Reading::Sealed { .. } => body.buffer.len(),
        };
        if body.left == 0 {
            return Poll::Ready(None);
        }
        if let Err(error) = ready!(body.fill(context, most)) {
            return Poll::Ready(Some(Err(error)));
        }
        Poll::Ready(Some(body.next().map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
