//! The marshal format of code objects, brought to one form.
//!
//! In: what `marshal.dumps` of `CPython` 3.9 to 3.14 gives for a code object. Out: a stream that
//! loads to the same code object and depends on the source alone.
//! Never: recurses deeper than [`MAX_HEIGHT`]; panics or takes much memory on any bytes. What it
//! does not know is an error, and a file whose bytecode is an error goes without.
//!
//! Three things in a stream depend on what the interpreter did before, and each is undone:
//! * An object gets the flag "may be referred to" when its reference count is above one, and
//!   references count these objects. Here only what is referred to has the flag.
//! * A string of one character is shared by the whole interpreter, so whether it is marked as
//!   interned depends on whether anybody ever interned it. Here it always is. Interned strings
//!   are one object once loaded, so they are one here.
//! * The members of a frozenset come in an order that can depend on memory addresses (the hash of
//!   `None` before 3.12) or on the flags above. Here they are sorted by their content.

mod read;
#[cfg(test)]
mod tests;
mod write;

/// How deep objects may be nested. The parser's own limits keep real code well below.
pub const MAX_HEIGHT: u16 = 1000;

/// Why a stream can't be brought to one form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MarshalError {
    /// It ends within an object.
    #[error("it ends within an object")]
    Truncated,
    /// Something follows the object.
    #[error("{0} bytes follow the object")]
    Trailing(usize),
    /// A type that code objects do not hold.
    #[error("type {0:#04x} is not known")]
    UnknownType(u8),
    /// A reference to what has not been seen whole.
    #[error("reference {0} leads nowhere")]
    BadReference(u32),
    /// It is nested too deep.
    #[error("it is nested too deep")]
    TooDeep,
    /// It is larger than 4 GiB.
    #[error("it is too large")]
    TooLarge,
}

/// The order of a code object's fields, which changed with Python 3.11.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Bytes of the numbers that come first.
    numbers: usize,
    /// Objects in all.
    objects: u32,
}

impl Layout {
    /// The layout that goes with a bytecode magic number; `None` for versions that are not known.
    pub fn of(magic: u16) -> Option<Self> {
        match magic {
            // 3.9 and 3.10: six numbers; code, constants, names, variables, free variables,
            // cells, file name, name; first line; line table.
            3420..=3439 => Some(Self {
                numbers: 24,
                objects: 9,
            }),
            // 3.11 to 3.14: five numbers; code, constants, names, locals and their kinds, file
            // name, name, qualified name; first line; line table, exception table.
            3450..=3649 => Some(Self {
                numbers: 20,
                objects: 10,
            }),
            _ => None,
        }
    }
}

/// The one form of a stream.
pub fn normalise(stream: &[u8], layout: Layout) -> Result<Vec<u8>, MarshalError> {
    let tree = read::read(stream, layout)?;
    Ok(write::write(&tree))
}

/// How many of a code object's objects stand before its first line's number.
const BEFORE_LINE: usize = 8;

/// The set bit of an object that later references may mean.
const FLAG: u8 = 0x80;

/// The types that code objects are made of, as marshal spells them.
mod tag {
    pub(super) const NONE: u8 = b'N';
    pub(super) const FALSE: u8 = b'F';
    pub(super) const TRUE: u8 = b'T';
    pub(super) const ELLIPSIS: u8 = b'.';
    pub(super) const INT: u8 = b'i';
    pub(super) const LONG: u8 = b'l';
    pub(super) const FLOAT: u8 = b'g';
    pub(super) const COMPLEX: u8 = b'y';
    pub(super) const BYTES: u8 = b's';
    pub(super) const UNICODE: u8 = b'u';
    pub(super) const UNICODE_INTERNED: u8 = b't';
    pub(super) const ASCII: u8 = b'a';
    pub(super) const ASCII_INTERNED: u8 = b'A';
    pub(super) const SHORT_ASCII: u8 = b'z';
    pub(super) const SHORT_ASCII_INTERNED: u8 = b'Z';
    pub(super) const TUPLE: u8 = b'(';
    pub(super) const SMALL_TUPLE: u8 = b')';
    pub(super) const FROZENSET: u8 = b'>';
    pub(super) const SLICE: u8 = b':';
    pub(super) const CODE: u8 = b'c';
    pub(super) const REF: u8 = b'r';
}

/// An object's place in a [`Tree`].
type Id = usize;

/// The objects of a stream. An object that is referred to stands below each that holds it; none
/// holds itself.
#[derive(Debug)]
struct Tree<'a> {
    nodes: Vec<Node<'a>>,
    root: Id,
}

/// One object.
#[derive(Debug)]
struct Node<'a> {
    /// Its type, without the flag.
    tag: u8,
    /// The bytes after the type: lengths, numbers, text.
    head: &'a [u8],
    /// A code object's first line number, which stands between its objects.
    line: &'a [u8],
    children: Vec<Id>,
    /// One more than its highest child's; 0 while it has not been read whole.
    height: u16,
}
