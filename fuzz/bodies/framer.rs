//! The same frames however the bytes arrive; the first byte says where they are cut.

use bytes::BytesMut;
use tokio_util::codec::Decoder as _;
use vestibule::xmpp::framer::Framer;

const HEADER: &[u8] = b"<stream:stream id='i' \
    xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:component:accept'>";

/// # Panics
/// When the frames depend on where the bytes were cut.
pub(crate) fn check(input: &[u8]) {
    let Some((&cut, stream)) = input.split_first() else { return };
    // Half of the inputs begin behind a good header.
    let header = if cut & 0x80 == 0 { HEADER } else { b"" };
    let stream = [header, stream].concat();
    let size = usize::from(cut & 0x7F).max(1);
    assert_eq!(frames(stream.chunks(size)), frames(std::iter::once(&*stream)));
}

fn frames<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let (mut framer, mut buffer, mut seen) = (Framer::default(), BytesMut::new(), Vec::new());
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        loop {
            match framer.decode(&mut buffer) {
                Ok(Some(frame)) => seen.push(format!("{frame:?}")),
                Ok(None) => break,
                Err(error) => {
                    seen.push(error.to_string());
                    return seen;
                }
            }
        }
    }
    seen
}
