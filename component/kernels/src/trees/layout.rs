//! Where the nodes of trees lie, so that a walk reads few lines of memory.
//!
//! The root of each tree is read for every row, so all roots lie side by side. Below them a line
//! has four pairs of children: those that most walks go on to, the first of them and the next on the
//! way to the most leaves. How many walks come to a node nobody says; a tree that was grown on data
//! has more leaves where there were more rows. The lines of a page are chosen likewise.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::trees::Source;

/// Nodes in a line of memory, and lines in a page of it.
const LINE: usize = 8;
const PAGE: usize = 64;
/// Pairs of children in a line.
const PAIRS: usize = LINE / 2;
/// Most lines that are kept in mind because they have room.
const WITH_ROOM: usize = 64;

/// The place of each node.
pub(super) struct Layout {
    /// Of a node that no root leads to 0, where there is nothing.
    pub(super) places: Vec<u32>,
    /// How many places there are.
    pub(super) nodes: usize,
}

/// A pair of children that has no place yet: how many leaves are below it, a number of its own, the
/// lower the earlier, and the node that leads to it.
type Pair = (u32, Reverse<u32>, usize);

/// `None` for positions that are not there, and for a node that two others lead to.
pub(super) fn of(source: &[Source], roots: &[u32]) -> Option<Layout> {
    // How many leaves are below each node; of one that was not seen, none.
    let mut below = vec![0; source.len()];
    let mut order = Vec::with_capacity(source.len());
    let mut open: Vec<usize> = roots.iter().map(|&root| root as usize).collect();
    while let Some(at) = open.pop() {
        if std::mem::replace(below.get_mut(at)?, 1) != 0 {
            return None;
        }
        if let Source::Branch { yes, no, .. } = source[at] {
            order.push(at);
            open.extend([no, yes]);
        }
    }
    for at in order.into_iter().rev() {
        if let Source::Branch { yes, no, .. } = source[at] {
            below[at] = below[yes] + below[no];
        }
    }
    let places = vec![0; source.len()];
    let mut placing = Placing { source, below, places, end: 1, room: Vec::new(), count: 0 };
    for &root in roots {
        placing.places[root as usize] = placing.end as u32;
        placing.end += 1;
    }
    placing.end = placing.end.next_multiple_of(LINE);
    for &root in roots {
        placing.tree(root as usize);
    }
    let Placing { places, end, .. } = placing;
    Some(Layout { places, nodes: end })
}

struct Placing<'a> {
    source: &'a [Source],
    below: Vec<u32>,
    places: Vec<u32>,
    end: usize,
    /// Where lines have room: the first place of it, and for how many pairs.
    room: Vec<(usize, usize)>,
    /// How many pairs were numbered.
    count: u32,
}

impl Placing<'_> {
    fn tree(&mut self, root: usize) {
        let mut pages: Vec<Pair> = self.pair(root).into_iter().collect();
        while let Some(first) = pages.pop() {
            let mut open = BinaryHeap::from([first]);
            for _ in 0..PAGE {
                let Some(first) = open.pop() else { break };
                self.line(first, &mut open);
            }
            // Those with most leaves next.
            pages.extend(open.into_sorted_vec());
        }
    }

    /// Gives a pair and those below it that share its line their places; what is below those is open.
    fn line(&mut self, first: Pair, open: &mut BinaryHeap<Pair>) {
        let mut own = BinaryHeap::from([first]);
        let mut pairs = [0; PAIRS];
        let mut count = 0;
        while count < PAIRS
            && let Some((_, _, parent)) = own.pop()
        {
            pairs[count] = parent;
            count += 1;
            let (yes, no) = self.children(parent);
            for child in [yes, no] {
                own.extend(self.pair(child));
            }
        }
        open.extend(own);
        let mut place = self.room_for(count, self.places[pairs[0]] as usize);
        for &parent in &pairs[..count] {
            let (yes, no) = self.children(parent);
            (self.places[no], self.places[yes]) = (place as u32, place as u32 + 1);
            place += 2;
        }
    }

    /// Places for so many pairs in one line, behind the node that leads to them.
    fn room_for(&mut self, pairs: usize, parent: usize) -> usize {
        let fits =
            (0..self.room.len()).filter(|&it| self.room[it].0 > parent && self.room[it].1 >= pairs);
        let (first, left) = match fits.min_by_key(|&it| self.room[it].1) {
            Some(fitting) => self.room.remove(fitting),
            None => {
                self.end += LINE;
                (self.end - LINE, PAIRS)
            }
        };
        if left > pairs {
            self.room.truncate(WITH_ROOM - 1);
            self.room.insert(0, (first + 2 * pairs, left - pairs));
        }
        first
    }

    /// The children of a node, if it has some.
    fn pair(&mut self, node: usize) -> Option<Pair> {
        let Source::Branch { .. } = self.source[node] else { return None };
        self.count += 1;
        Some((self.below[node], Reverse(self.count), node))
    }

    fn children(&self, parent: usize) -> (usize, usize) {
        match self.source[parent] {
            Source::Branch { yes, no, .. } => (yes, no),
            Source::Leaf(_) => unreachable!("a pair has a branch above it"),
        }
    }
}
