//! `ai.onnx.ml.SVMClassifier` and `SVMRegressor`: support vector machines, as libsvm has them.
//!
//! The specification leaves most of it open; what is done here is onnxruntime's.

use foretold_kernels::similarity::{Similarity, Vectors, dot};

use crate::math;
use crate::node::Node;
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Rows};
use crate::ops::ml::labels::Labels;
use crate::ops::ml::post_transform::PostTransform;
use crate::ops::ml::product;
use crate::tensor::{Element, Fact, View, ViewMut};

/// How alike rows are.
fn similarity(node: &Node<'_>, is_linear: bool) -> Result<Similarity, String> {
    let [gamma, coef0, degree] = match *node.floats("kernel_params")? {
        [] => [0.0; 3],
        [gamma, coef0, degree] => [gamma, coef0, degree],
        ref other => {
            return Err(format!("{} members of 'kernel_params', expected 3", other.len()));
        }
    };
    Ok(match node.string("kernel_type")?.unwrap_or("LINEAR") {
        _ if is_linear => Similarity::Linear,
        "LINEAR" => Similarity::Linear,
        "POLY" => Similarity::Poly { gamma, coef0, degree },
        "RBF" => Similarity::Rbf { gamma },
        "SIGMOID" => Similarity::Sigmoid { gamma, coef0 },
        other => {
            return Err(format!(
                "the attribute 'kernel_type' is '{other}', expected LINEAR, POLY, RBF or SIGMOID"
            ));
        }
    })
}

/// Calls a function with each row's number, and how alike the row is to each support vector.
fn each(vectors: &Vectors, source: &View<'_>, rows: usize, mut visit: impl FnMut(usize, &[f32])) {
    /// Rows at once: as many as products are made of at once.
    const BLOCK: usize = 4;
    let (mut buffer, mut found) = (Vec::new(), Vec::new());
    let all = &product::rows(source, &mut buffer)[..rows * vectors.features()];
    for (block, rows) in all.chunks(BLOCK * vectors.features()).enumerate() {
        let stride = vectors.compare(rows, &mut found);
        for i in 0..rows.len() / vectors.features() {
            visit(block * BLOCK + i, &found[i * stride..][..vectors.count()]);
        }
    }
}

#[derive(Debug)]
struct SvmRegressor {
    /// The support vectors, or the weights of the features where there are none.
    vectors: Vectors,
    /// One for each support vector.
    coefficients: Vec<f32>,
    rho: f32,
    /// Whether the answer is only on which side of zero the sum is.
    one_class: bool,
    post_transform: PostTransform,
}

pub(crate) fn svm_regressor(node: &Node<'_>) -> Result<Built, String> {
    let input = node.input(0)?;
    input.numeric()?;
    let (rows, features) = input.fact.matrix()?;
    let coefficients = node.floats("coefficients")?.to_vec();
    let vectors = node.floats("support_vectors")?.to_vec();
    let supports = node.int("n_supports")?.unwrap_or(0);
    let is_linear = supports <= 0;
    let fits = match is_linear {
        true => coefficients.len() == features,
        false => {
            let supports = usize::try_from(supports).unwrap_or(usize::MAX);
            coefficients.len() == supports && supports.checked_mul(features) == Some(vectors.len())
        }
    };
    if !fits || features == 0 {
        return Err(format!(
            "{} coefficients and {} numbers of {supports} support vectors for {features} features",
            coefficients.len(),
            vectors.len()
        ));
    }
    let [rho, ..] = *node.floats("rho")? else { return Err("it has no 'rho'".into()) };
    let vectors = if is_linear { &coefficients } else { &vectors };
    let kernel = SvmRegressor {
        vectors: Vectors::new(similarity(node, is_linear)?, vectors, features),
        coefficients: if is_linear { vec![1.0] } else { coefficients },
        rho,
        one_class: node.int("one_class")?.unwrap_or(0) != 0,
        post_transform: PostTransform::of(node)?,
    };
    Ok(Built::map(kernel, Fact::new(Element::F32, [rows, 1])))
}

impl Kernel for SvmRegressor {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let target = outputs[0].singles();
        each(&self.vectors, &inputs[0], target.len(), |i, products| {
            let y = &mut target[i];
            *y = (dot(products, &self.coefficients) + f64::from(self.rho)) as f32;
            if self.one_class {
                *y = if *y > 0.0 { 1.0 } else { -1.0 };
            } else if self.post_transform == PostTransform::Probit {
                *y = math::probit(*y);
            }
        });
        Ok(())
    }
}

#[derive(Debug)]
struct SvmClassifier {
    vectors: Vectors,
    /// Where the support vectors of each class begin, and where the last ones end; empty for a
    /// linear model.
    starts: Vec<usize>,
    /// A row per class but one, a column per support vector; for a linear model a row per class, a
    /// column per feature.
    coefficients: Vec<f32>,
    rho: Vec<f32>,
    /// The sigmoids that make probabilities of scores; empty where there are none.
    sigmoids: Vec<(f32, f32)>,
    labels: Labels,
    post_transform: PostTransform,
    /// Whether no coefficient is negative.
    positive: bool,
}

pub(crate) fn svm_classifier(node: &Node<'_>) -> Result<Built, String> {
    let input = node.input(0)?;
    input.numeric()?;
    let (rows, features) = input.fact.matrix()?;
    let labels = Labels::of(node, "classlabels_ints")?;
    let classes = labels.len();
    let counts = node.ints("vectors_per_class")?;
    let coefficients = node.floats("coefficients")?.to_vec();
    let vectors = node.floats("support_vectors")?.to_vec();
    let mut starts = vec![0_usize];
    for &count in counts {
        let start = starts[starts.len() - 1];
        let next = usize::try_from(count).ok().and_then(|count| start.checked_add(count));
        starts.push(next.ok_or_else(|| format!("{count} support vectors of a class"))?);
    }
    let supports = starts[starts.len() - 1];
    let is_linear = supports == 0;
    let pairs = classes * classes.saturating_sub(1) / 2;
    let (rho, a, b) = (node.floats("rho")?, node.floats("prob_a")?, node.floats("prob_b")?);
    let fits = if is_linear {
        classes.checked_mul(features) == Some(coefficients.len()) && !rho.is_empty()
    } else {
        counts.len() == classes
            && supports.checked_mul(features) == Some(vectors.len())
            && supports.checked_mul(classes - 1) == Some(coefficients.len())
            && rho.len() == pairs
            && (a.is_empty() || a.len() == pairs)
    };
    if !fits || a.len() != b.len() || classes < 2 || features == 0 {
        return Err(format!(
            "{classes} classes of {counts:?} support vectors, {} numbers of these, {} \
             coefficients, {} rho, {} and {} numbers of sigmoids for {features} features",
            vectors.len(),
            coefficients.len(),
            rho.len(),
            a.len(),
            b.len()
        ));
    }
    let kernel = SvmClassifier {
        vectors: Vectors::new(similarity(node, is_linear)?, &vectors, features),
        starts: if is_linear { vec![] } else { starts },
        positive: coefficients.iter().all(|&it| it >= 0.0),
        coefficients,
        rho: rho.to_vec(),
        sigmoids: if is_linear {
            vec![]
        } else {
            a.iter().copied().zip(b.iter().copied()).collect()
        },
        labels,
        post_transform: PostTransform::of(node)?,
    };
    if kernel.width() == 1 && kernel.post_transform == PostTransform::Probit {
        return Err("PROBIT of one score for two labels, which is not defined".into());
    }
    let outputs = vec![
        Fact::new(kernel.labels.element(), [rows]),
        Fact::new(Element::F32, [rows, kernel.width().max(2)]),
    ];
    Ok(Built::kernel(kernel, vec![0], outputs))
}

impl SvmClassifier {
    /// How many scores there are before the transform.
    fn width(&self) -> usize {
        let classes = self.labels.len();
        match self.starts.is_empty() || !self.sigmoids.is_empty() {
            true => classes,
            false => classes * (classes - 1) / 2,
        }
    }

    /// The class of a linear model. Of two classes with one intercept, the second one is it as soon as
    /// any score is large enough.
    fn linear_class(&self, scores: &[f32]) -> usize {
        let best = largest(scores);
        let is_enough = match self.positive {
            true => scores[best] >= 0.5,
            false => scores[best] > 0.0,
        };
        if scores.len() == 2 && self.rho.len() == 1 && is_enough { 1 } else { best }
    }

    /// Writes the class and the scores of a row.
    fn put(
        &self,
        row: usize,
        class: usize,
        scores: &[f32],
        label: &mut ViewMut<'_>,
        target: &mut [f32],
    ) {
        self.labels.put(class, label, row);
        let width = scores.len().max(2);
        let target = &mut target[row * width..][..width];
        if let [score] = *scores {
            target.copy_from_slice(&match self.post_transform {
                PostTransform::Logistic => [math::logistic(-score), math::logistic(score)],
                PostTransform::Softmax | PostTransform::SoftmaxZero => [1.0 - score, score],
                PostTransform::None | PostTransform::Probit => [-score, score],
            });
        } else {
            target.copy_from_slice(scores);
            self.post_transform.apply(target, width);
        }
    }

    /// A score for each pair of classes, and how many of its pairs each class wins.
    fn duels(&self, products: &[f32], scores: &mut Vec<f32>) -> Vec<u32> {
        let classes = self.labels.len();
        let supports = self.starts[classes];
        let mut votes = vec![0; classes];
        for i in 0..classes {
            for j in i + 1..classes {
                let sum = |class: usize, other: usize| {
                    let own = self.starts[class]..self.starts[class + 1];
                    let coefficients = &self.coefficients[other * supports..][own.clone()];
                    dot(coefficients, &products[own])
                };
                let score = sum(i, j - 1) + sum(j, i) + f64::from(self.rho[scores.len()]);
                scores.push(score as f32);
                votes[if score as f32 > 0.0 { i } else { j }] += 1;
            }
        }
        votes
    }

    /// Probabilities of the classes of those of the pairs (Wu, Lin and Weng, 2004, as in libsvm).
    fn probabilities(&self, scores: &[f32]) -> Vec<f32> {
        let classes = self.labels.len();
        let mut of_pairs = vec![0.0_f32; classes * classes];
        let mut index = 0;
        for i in 0..classes {
            for j in i + 1..classes {
                let (a, b) = self.sigmoids[index];
                let probability = 1.0 - math::logistic(scores[index] * a + b);
                let probability = probability.clamp(1e-7, 1.0 - 1e-7);
                of_pairs[i * classes + j] = probability;
                of_pairs[j * classes + i] = 1.0 - probability;
                index += 1;
            }
        }
        couple(classes, &of_pairs)
    }
}

/// libsvm's `multiclass_probability`.
fn couple(classes: usize, of_pairs: &[f32]) -> Vec<f32> {
    let r = |i: usize, j: usize| of_pairs[i * classes + j];
    let mut q = vec![0.0_f32; classes * classes];
    for t in 0..classes {
        for j in (0..classes).filter(|&j| j != t) {
            q[t * classes + t] += r(j, t) * r(j, t);
            q[t * classes + j] = if j < t { q[j * classes + t] } else { -r(j, t) * r(t, j) };
        }
    }
    let mut p = vec![1.0 / classes as f32; classes];
    let enough = 0.005 / classes as f32;
    for _ in 0..classes.max(100) {
        let mut qp: Vec<f32> = q.chunks_exact(classes).map(|row| dot(row, &p) as f32).collect();
        let mut pqp = dot(&p, &qp) as f32;
        let worst = qp.iter().map(|qp| (qp - pqp).abs()).fold(0.0, f32::max);
        if worst < enough {
            break;
        }
        for t in 0..classes {
            let own = q[t * classes + t];
            let step = (pqp - qp[t]) / own;
            p[t] += step;
            pqp = (pqp + step * (step * own + 2.0 * qp[t])) / ((1.0 + step) * (1.0 + step));
            for j in 0..classes {
                qp[j] = (qp[j] + step * q[t * classes + j]) / (1.0 + step);
                p[j] /= 1.0 + step;
            }
        }
    }
    p
}

/// The position of the first of the largest numbers.
fn largest<T: PartialOrd>(numbers: &[T]) -> usize {
    (1..numbers.len()).fold(0, |best, i| if numbers[i] > numbers[best] { i } else { best })
}

impl Kernel for SvmClassifier {
    /// The labels.
    fn leaves_out(&self, output: usize) -> bool {
        output == 0
    }

    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let [label, target] = outputs else { return Ok(()) };
        let target = target.singles();
        let rows = target.len() / self.width().max(2);
        let mut scores = Vec::new();
        if !self.starts.is_empty() {
            each(&self.vectors, &inputs[0], rows, |i, products| {
                scores.clear();
                let votes = self.duels(products, &mut scores);
                if !self.sigmoids.is_empty() {
                    scores = self.probabilities(&scores);
                }
                self.put(i, largest(&votes), &scores, label, target);
            });
            return Ok(());
        }
        let (mut buffer, features) = (Vec::new(), self.vectors.features());
        let all = product::rows(&inputs[0], &mut buffer);
        let rho = f64::from(self.rho[0]);
        for (i, row) in all.chunks_exact(features).take(rows).enumerate() {
            scores.clear();
            let weights = self.coefficients.chunks_exact(features);
            scores.extend(weights.map(|weights| (dot(row, weights) + rho) as f32));
            self.put(i, self.linear_class(&scores), &scores, label, target);
        }
        Ok(())
    }
}
