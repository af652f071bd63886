//! A tree of objects to bytes.
//!
//! In: a tree, whose height bounds the recursion here. Out: its one stream.

use pyrun_core::Sha256;

use super::{BEFORE_LINE, FLAG, Id, Node, Tree, tag};

pub(super) fn write(tree: &Tree<'_>) -> Vec<u8> {
    let mut writer = Writer {
        tree,
        shared: shared(tree),
        number: vec![None; tree.nodes.len()],
        next_number: 0,
        digests: vec![None; tree.nodes.len()],
        out: Vec::new(),
    };
    writer.object(tree.root);
    writer.out
}

/// Which objects are held in more than one place.
fn shared(tree: &Tree<'_>) -> Vec<bool> {
    let mut seen = vec![false; tree.nodes.len()];
    let mut shared = seen.clone();
    for child in tree.nodes.iter().flat_map(|node| &node.children) {
        shared[*child] = seen[*child];
        seen[*child] = true;
    }
    shared
}

struct Writer<'t, 'a> {
    tree: &'t Tree<'a>,
    shared: Vec<bool>,
    /// The number by which an object that has been written is referred to.
    number: Vec<Option<u32>>,
    next_number: u32,
    digests: Vec<Option<Sha256>>,
    out: Vec<u8>,
}

impl<'t> Writer<'t, '_> {
    fn object(&mut self, id: Id) {
        if let Some(number) = self.number[id] {
            self.out.push(tag::REF);
            self.out.extend(number.to_le_bytes());
            return;
        }
        let tree: &'t Tree<'_> = self.tree;
        let node = &tree.nodes[id];
        let flag = if self.shared[id] { FLAG } else { 0 };
        if self.shared[id] {
            self.number[id] = Some(self.next_number);
            self.next_number += 1;
        }
        self.out.push(node.tag | flag);
        self.out.extend(node.head);
        match node.tag {
            tag::FROZENSET => {
                let mut members = node.children.clone();
                members.sort_by_cached_key(|member| self.digest(*member));
                for member in members {
                    self.object(member);
                }
            }
            tag::CODE => self.code(node),
            _ => {
                for child in &node.children {
                    self.object(*child);
                }
            }
        }
    }

    /// The line number stands before the tables of lines and exceptions.
    fn code(&mut self, node: &Node<'_>) {
        for (at, child) in node.children.iter().enumerate() {
            if at == BEFORE_LINE {
                self.out.extend(node.line);
            }
            self.object(*child);
        }
    }

    /// The digest of an object's content, whatever it shares with others.
    fn digest(&mut self, id: Id) -> Sha256 {
        if let Some(digest) = self.digests[id] {
            return digest;
        }
        let tree: &'t Tree<'_> = self.tree;
        let node = &tree.nodes[id];
        let mut children: Vec<Sha256> = Vec::with_capacity(node.children.len());
        for child in &node.children {
            let digest = self.digest(*child);
            children.push(digest);
        }
        if node.tag == tag::FROZENSET {
            children.sort();
        }
        let mut content = vec![node.tag];
        content.extend(node.head);
        content.extend(node.line);
        for child in children {
            content.extend(child.as_bytes());
        }
        let digest = Sha256::of(content);
        self.digests[id] = Some(digest);
        digest
    }
}
