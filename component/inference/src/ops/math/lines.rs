//! The lines of a tensor along one axis.

/// How elements lie along an axis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lines {
    /// Elements of a line, and the distance between two of them.
    pub(crate) size: usize,
    pub(crate) stride: usize,
}

impl Lines {
    pub(crate) fn along(axis: usize, shape: &[usize]) -> Lines {
        Lines { size: shape[axis], stride: shape[axis + 1..].iter().product() }
    }

    /// The first position of each line of a tensor with so many elements.
    pub(crate) fn starts(self, elements: usize) -> impl Iterator<Item = usize> {
        let block = (self.size * self.stride).max(1);
        (0..elements).filter(move |position| position % block < self.stride)
    }

    /// The positions of the line that begins at `start`.
    pub(crate) fn positions(self, start: usize) -> impl DoubleEndedIterator<Item = usize> + Clone {
        (0..self.size).map(move |i| start + i * self.stride)
    }
}
