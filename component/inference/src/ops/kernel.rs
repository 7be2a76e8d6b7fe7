//! Operators of this crate as tract's typed operators.

use std::collections::BTreeSet;
use std::fmt::Debug;

use tract_hir::internal::*;

use crate::tensor::{Fact, View, ViewMut};

/// An operator that has been built for inputs of known types and shapes.
pub(crate) trait Kernel: Debug + Send + Sync {
    /// Computes the outputs, which have their types and lengths already.
    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String>;

    /// How many rows it takes at once.
    fn rows(&self) -> Rows {
        Rows::One
    }

    /// What it makes of a missing value.
    fn missing(&self) -> Missing {
        Missing::Passes
    }

    /// What an encoder of texts makes of them; `None` for all other kernels.
    fn known_texts(&self) -> Option<KnownTexts<'_>> {
        None
    }

    /// Trees in bytes, where they take much less than in the file: see [`crate::pack`].
    fn packed(&self) -> Option<Vec<u8>> {
        None
    }

    /// Whether it is content with no elements for an output that nothing reads.
    fn leaves_out(&self, _output: usize) -> bool {
        false
    }

    /// How many positions there are for its second input, if it fails on all others.
    fn known_positions(&self) -> Option<usize> {
        None
    }
}

/// How many rows a kernel takes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// The one that it was built for. The outputs are zeros and empty strings before.
    One,
    /// As many as it is given, one after the other in all outputs and in the inputs that depend on
    /// the request, of which there is at least one; of what does not depend on it there is one for
    /// all, which a kernel with several inputs must tell by its length. It promises that each row
    /// comes out as it does alone, that an error is one that some row has alone, and that it writes
    /// every element.
    Any,
}

/// What a kernel makes of NaN, which stands for a missing value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It gives NaN too.
    Passes,
    /// It is made to tell what is missing, or to decide what takes its place.
    Decides,
    /// It moves elements about, and may leave some out.
    Moves,
    /// It gives a code, as for any value that it does not know.
    Encodes,
}

/// What an encoder makes of texts.
pub(crate) struct KnownTexts<'a> {
    /// Those that it tells apart.
    pub(crate) texts: BTreeSet<&'a str>,
    /// Whether a row with another one fails.
    pub(crate) refuses_others: bool,
}

/// A kernel in tract's graph.
#[derive(Clone, Debug)]
pub(crate) struct KernelOp {
    name: StaticName,
    kernel: Arc<dyn Kernel>,
    outputs: Vec<Fact>,
}

impl KernelOp {
    pub(crate) fn new(name: &str, kernel: Arc<dyn Kernel>, outputs: Vec<Fact>) -> KernelOp {
        KernelOp { name: name.to_string().into(), kernel, outputs }
    }

    pub(crate) fn known_texts(&self) -> Option<KnownTexts<'_>> {
        self.kernel.known_texts()
    }

    pub(crate) fn known_positions(&self) -> Option<usize> {
        self.kernel.known_positions()
    }

    pub(crate) fn kernel(&self) -> &Arc<dyn Kernel> {
        &self.kernel
    }

    pub(crate) fn outputs(&self) -> &[Fact] {
        &self.outputs
    }

    /// The operator's name in the file.
    pub(crate) fn operator(&self) -> &str {
        &self.name
    }

    pub(crate) fn missing(&self) -> Missing {
        self.kernel.missing()
    }
}

impl PartialEq for KernelOp {
    fn eq(&self, other: &KernelOp) -> bool {
        Arc::ptr_eq(&self.kernel, &other.kernel)
    }
}

impl Eq for KernelOp {}

impl Op for KernelOp {
    fn name(&self) -> StaticName {
        self.name.clone()
    }

    op_as_typed_op!();
}

impl EvalOp for KernelOp {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext<'_>, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let found = compute(&*self.kernel, inputs.iter().map(|it| &**it), &self.outputs)?;
        Ok(found.into_iter().map(|it| it.into_tvalue()).collect())
    }
}

/// The outputs of a kernel, of these types and shapes.
pub(crate) fn compute<'a>(
    kernel: &dyn Kernel,
    inputs: impl Iterator<Item = &'a Tensor>,
    outputs: &[Fact],
) -> TractResult<TVec<Tensor>> {
    let views = inputs.map(View::of).collect::<TractResult<TVec<_>>>()?;
    let mut outputs = outputs.iter().map(Fact::zeros).collect::<TractResult<TVec<_>>>()?;
    {
        let plain = outputs.iter_mut().map(|it| it.try_as_plain_ram_mut());
        let mut plain = plain.collect::<TractResult<TVec<_>>>()?;
        let targets = plain.iter_mut().map(ViewMut::of);
        let mut targets = targets.collect::<TractResult<TVec<_>>>()?;
        kernel.run(&views, &mut targets).map_err(TractError::msg)?;
    }
    Ok(outputs)
}

impl TypedOp for KernelOp {
    as_op!();

    fn output_facts(&self, _: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(self.outputs.iter().map(Fact::typed).collect())
    }
}
