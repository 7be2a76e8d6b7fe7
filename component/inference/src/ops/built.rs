//! What a builder makes of a node, ready to be added to tract's graph.

use std::fmt;

use tract_hir::internal::*;

use crate::ops::kernel::{Kernel, KernelOp};
use crate::tensor::Fact;

/// Adds tract's operators to a model, under names that start with a prefix.
type Wiring =
    dyn Fn(&str, &mut TypedModel, &[OutletId]) -> TractResult<TVec<OutletId>> + Send + Sync;

/// What a builder makes of a node.
pub(crate) enum Built {
    /// Operators of tract.
    Wiring(Box<Wiring>),
    /// The same, where the outputs are the tensors of one sequence.
    Sequence(Box<Wiring>),
    /// An operator of this crate.
    Kernel {
        kernel: Arc<dyn Kernel>,
        /// Positions of the inputs that it reads.
        uses: Vec<usize>,
        outputs: Vec<Fact>,
    },
    /// One of the two graphs inside the node, and which where that is known.
    Choice(Option<bool>),
}

impl Built {
    pub(crate) fn wiring(
        wiring: impl Fn(&str, &mut TypedModel, &[OutletId]) -> TractResult<TVec<OutletId>>
        + Send
        + Sync
        + 'static,
    ) -> Built {
        Built::Wiring(Box::new(wiring))
    }

    pub(crate) fn sequence(
        wiring: impl Fn(&str, &mut TypedModel, &[OutletId]) -> TractResult<TVec<OutletId>>
        + Send
        + Sync
        + 'static,
    ) -> Built {
        Built::Sequence(Box::new(wiring))
    }

    /// One of tract's operators that move elements about, for all inputs.
    pub(crate) fn expansion(expansion: impl Expansion) -> Built {
        Built::wiring(move |prefix, model, inputs| expansion.wire(prefix, model, inputs))
    }

    pub(crate) fn kernel(
        kernel: impl Kernel + 'static,
        uses: Vec<usize>,
        outputs: Vec<Fact>,
    ) -> Built {
        Built::Kernel { kernel: Arc::new(kernel), uses, outputs }
    }

    /// A kernel that reads the first input and gives one output.
    pub(crate) fn map(kernel: impl Kernel + 'static, output: Fact) -> Built {
        Built::kernel(kernel, vec![0], vec![output])
    }

    /// Adds it to a model.
    pub(crate) fn wire(
        &self,
        operator: &str,
        prefix: &str,
        model: &mut TypedModel,
        inputs: &[OutletId],
    ) -> TractResult<TVec<OutletId>> {
        match self {
            Built::Wiring(wiring) | Built::Sequence(wiring) => wiring(prefix, model, inputs),
            Built::Choice(_) => bail!("a choice of graphs, which is no operator of its own"),
            Built::Kernel { kernel, uses, outputs } => {
                let used: Option<TVec<OutletId>> =
                    uses.iter().map(|&position| inputs.get(position).copied()).collect();
                let op = KernelOp::new(operator, kernel.clone(), outputs.clone());
                model.wire_node(prefix, op, &used.context("an input is missing")?)
            }
        }
    }
}

impl fmt::Debug for Built {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Built")
    }
}
