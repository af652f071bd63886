//! Bytes to a tree of objects.
//!
//! In: a stream. Out: its objects, references resolved, interned strings merged.
//! Never: recurses; takes a count's word for how much memory to take.

use std::collections::HashMap;

use super::{BEFORE_LINE, FLAG, Id, Layout, MAX_HEIGHT, MarshalError, Node, Tree, tag};

/// Reads one object that fills the whole stream.
pub(super) fn read(stream: &[u8], layout: Layout) -> Result<Tree<'_>, MarshalError> {
    if u32::try_from(stream.len()).is_err() {
        return Err(MarshalError::TooLarge);
    }
    let mut reader = Reader {
        rest: stream,
        layout,
        nodes: Vec::new(),
        flagged: Vec::new(),
        interned: HashMap::new(),
    };
    let root = reader.read_tree()?;
    match reader.rest.len() {
        0 => Ok(Tree {
            nodes: reader.nodes,
            root,
        }),
        more => Err(MarshalError::Trailing(more)),
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    layout: Layout,
    nodes: Vec<Node<'a>>,
    /// What references count: the objects with the flag, in the order of their first bytes.
    flagged: Vec<Id>,
    /// Interned strings by their text. Only looked up, never walked.
    interned: HashMap<&'a [u8], Id>,
}

/// An object that lacks children.
struct Open {
    id: Id,
    missing: u32,
}

impl<'a> Reader<'a> {
    fn read_tree(&mut self) -> Result<Id, MarshalError> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            let (id, missing) = self.read_object()?;
            if missing > 0 {
                if open.len() >= usize::from(MAX_HEIGHT) {
                    return Err(MarshalError::TooDeep);
                }
                open.push(Open { id, missing });
                continue;
            }
            // The object is whole: so may be those that waited for it.
            let mut whole = id;
            loop {
                let Some(parent) = open.last_mut() else {
                    return Ok(whole);
                };
                parent.missing -= 1;
                let (id, missing) = (parent.id, parent.missing);
                self.adopt(id, whole)?;
                if missing > 0 {
                    break;
                }
                self.close(id)?;
                open.pop();
                whole = id;
            }
        }
    }

    /// Reads an object up to its children: where it is, and how many children follow.
    fn read_object(&mut self) -> Result<(Id, u32), MarshalError> {
        let byte = self.take(1)?[0];
        let (tag, flagged) = (byte & !FLAG, byte & FLAG != 0);
        match tag {
            tag::NONE | tag::FALSE | tag::TRUE | tag::ELLIPSIS if !flagged => {
                self.leaf(tag, 0, false)
            }
            tag::INT => self.leaf(tag, 4, flagged),
            tag::FLOAT => self.leaf(tag, 8, flagged),
            tag::COMPLEX => self.leaf(tag, 16, flagged),
            tag::LONG => {
                let digits = self.peek_u32()?.cast_signed().unsigned_abs();
                let length = u64::from(digits) * 2 + 4;
                let length = usize::try_from(length).map_err(|_| MarshalError::Truncated)?;
                self.leaf(tag, length, flagged)
            }
            tag::BYTES => {
                let length = self.length_after_u32()?;
                self.leaf(tag, length, flagged)
            }
            tag::UNICODE | tag::UNICODE_INTERNED | tag::ASCII | tag::ASCII_INTERNED => {
                let length = self.length_after_u32()?;
                self.text(tag, length, 4, flagged)
            }
            tag::SHORT_ASCII | tag::SHORT_ASCII_INTERNED => {
                let length = usize::from(*self.rest.first().ok_or(MarshalError::Truncated)?);
                self.text(tag, length + 1, 1, flagged)
            }
            tag::TUPLE | tag::FROZENSET => {
                let count = self.peek_u32()?;
                self.group(tag, 4, count, flagged)
            }
            tag::SMALL_TUPLE => {
                let count = *self.rest.first().ok_or(MarshalError::Truncated)?;
                self.group(tag, 1, u32::from(count), flagged)
            }
            tag::SLICE => self.group(tag, 0, 3, flagged),
            tag::CODE => self.group(tag, self.layout.numbers, self.layout.objects, flagged),
            tag::REF if !flagged => {
                let index = self.peek_u32()?;
                self.take(4)?;
                Ok((self.referred(index)?, 0))
            }
            _ => Err(MarshalError::UnknownType(byte)),
        }
    }

    fn leaf(&mut self, tag: u8, length: usize, flagged: bool) -> Result<(Id, u32), MarshalError> {
        let head = self.take(length)?;
        Ok((self.push(tag, head, 1, flagged), 0))
    }

    /// A string: its bytes with their length, which takes the first `prefix` of them.
    fn text(
        &mut self,
        tag: u8,
        length: usize,
        prefix: usize,
        flagged: bool,
    ) -> Result<(Id, u32), MarshalError> {
        let head = self.take(length)?;
        let text = &head[prefix..];
        let tag = if is_shared(text) { interned(tag) } else { tag };
        if tag != interned(tag) {
            return Ok((self.push(tag, head, 1, flagged), 0));
        }
        let id = match self.interned.get(text) {
            Some(id) => {
                if flagged {
                    self.flagged.push(*id);
                }
                *id
            }
            None => self.push(tag, head, 1, flagged),
        };
        self.interned.insert(text, id);
        Ok((id, 0))
    }

    fn group(
        &mut self,
        tag: u8,
        head: usize,
        count: u32,
        flagged: bool,
    ) -> Result<(Id, u32), MarshalError> {
        let head = self.take(head)?;
        let height = u16::from(count == 0);
        Ok((self.push(tag, head, height, flagged), count))
    }

    fn push(&mut self, tag: u8, head: &'a [u8], height: u16, flagged: bool) -> Id {
        let id = self.nodes.len();
        self.nodes.push(Node {
            tag,
            head,
            line: &[],
            children: Vec::new(),
            height,
        });
        if flagged {
            self.flagged.push(id);
        }
        id
    }

    fn adopt(&mut self, parent: Id, child: Id) -> Result<(), MarshalError> {
        self.nodes[parent].children.push(child);
        let node = &self.nodes[parent];
        if node.tag == tag::CODE && node.children.len() == BEFORE_LINE {
            let line = self.take(4)?;
            self.nodes[parent].line = line;
        }
        Ok(())
    }

    fn close(&mut self, id: Id) -> Result<(), MarshalError> {
        let children = self.nodes[id].children.iter();
        let highest = children.map(|child| self.nodes[*child].height).max();
        let height = highest.unwrap_or(0) + 1;
        if height > MAX_HEIGHT {
            return Err(MarshalError::TooDeep);
        }
        self.nodes[id].height = height;
        Ok(())
    }

    fn referred(&self, index: u32) -> Result<Id, MarshalError> {
        let id = usize::try_from(index)
            .ok()
            .and_then(|index| self.flagged.get(index))
            .filter(|id| self.nodes[**id].height > 0);
        id.copied().ok_or(MarshalError::BadReference(index))
    }

    fn length_after_u32(&self) -> Result<usize, MarshalError> {
        let length = u64::from(self.peek_u32()?) + 4;
        usize::try_from(length).map_err(|_| MarshalError::Truncated)
    }

    fn peek_u32(&self) -> Result<u32, MarshalError> {
        let bytes = self.rest.first_chunk().ok_or(MarshalError::Truncated)?;
        Ok(u32::from_le_bytes(*bytes))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], MarshalError> {
        let taken = self.rest.split_off(..length);
        taken.ok_or(MarshalError::Truncated)
    }
}

/// Whether the interpreter keeps one object for this text: none or one Latin-1 character.
fn is_shared(text: &[u8]) -> bool {
    matches!(text, [] | [_] | [0xc2 | 0xc3, _])
}

/// The type of an interned string of the same kind.
fn interned(tag: u8) -> u8 {
    match tag {
        tag::UNICODE => tag::UNICODE_INTERNED,
        tag::ASCII => tag::ASCII_INTERNED,
        tag::SHORT_ASCII => tag::SHORT_ASCII_INTERNED,
        other => other,
    }
}
