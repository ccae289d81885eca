//! Every operator of the crate, for tests that quantify over all of them.

use super::Rng;
use crate::operator::{
    Adjoint, Boundary, Compose, Convolution, Dense, Diagonal, Difference, FnOperator, Gradient, Gram,
    Identity, Mask, Scaled, Sparse, Standardized, Standardizing, Sum, VStack,
};
use crate::{LinalgError, LinearOperator, Scalar};

/// Small instances of every operator of this crate, each with the name of its type; some types occur more than
/// once. Borrowed matrices are leaked, a few hundred bytes a call.
///
/// ```
/// use spm_linalg::testing::{check_operator, operators};
/// for (_name, op) in operators::<f32>() {
///     check_operator(&*op);
/// }
/// ```
///
/// # Panics
/// Never: the instances are valid.
#[must_use]
pub fn operators<T: Scalar>() -> Vec<(&'static str, Box<dyn LinearOperator<T>>)> {
    build().expect("the instances are valid")
}

type Catalogue<T> = Vec<(&'static str, Box<dyn LinearOperator<T>>)>;

fn build<T: Scalar>() -> Result<Catalogue<T>, LinalgError> {
    let mut rng = Rng::new(1);
    let tall = dense(&mut rng, 7, 3)?;
    let wide = dense(&mut rng, 3, 7)?;
    let mask = Mask::from_bools(&[true, false, true, true, false, false, true]);
    let diagonal = Diagonal::new(rng.normals(7))?;
    let kernel: Vec<T> = rng.normals(6);
    let convolution = |shape, boundary| Convolution::new_2d(&kernel, [3, 2], shape, boundary);
    let running_sum = FnOperator::new(
        4,
        4,
        |x: &[T], y: &mut [T]| scan(x.iter(), y.iter_mut()),
        |y, x| {
            scan(y.iter().rev(), x.iter_mut().rev());
        },
    );
    let csc = Sparse::from_csc(5, &[0, 2, 2, 3], &[0, 3, 4], rng.normals(3).leak())?;
    let weights = [T::of(0.5), T::zero(), T::one(), T::of(2.0), T::one()];
    let what = Standardizing::default().center(true).scale(true).weights(Some(&weights));
    let dense_view = Standardized::new(dense(&mut rng, 5, 3)?.into(), what)?;
    Ok(vec![
        ("Adjoint", Box::new(Adjoint::new(mask.clone()))),
        ("Compose", Box::new(Compose::new(tall, wide)?)),
        (
            "Compose",
            Box::new(Compose::new(Compose::new(wide, Adjoint::new(mask.clone()))?, dense(&mut rng, 4, 4)?)?),
        ),
        ("Convolution", Box::new(Convolution::new_1d(&kernel, 9, Boundary::Zero)?)),
        ("Convolution", Box::new(Convolution::new_1d(&kernel, 4, Boundary::Circular)?)),
        ("Convolution", Box::new(convolution([4, 5], Boundary::Zero)?)),
        ("Convolution", Box::new(convolution([4, 5], Boundary::Circular)?)),
        ("Convolution", Box::new(convolution([0, 5], Boundary::Circular)?)),
        ("Dense", Box::new(tall)),
        ("Dense", Box::new(wide)),
        ("Dense", Box::new(dense(&mut rng, 0, 2)?)),
        ("Diagonal", Box::new(diagonal.clone())),
        ("Difference", Box::new(Difference::<T>::even(9, 1)?)),
        ("Difference", Box::new(Difference::<T>::even(9, 3)?)),
        ("Difference", Box::new(Difference::uneven(&[0.0, 1.0, 1.5, 4.0, 4.25, 6.0].map(T::of), 2)?)),
        ("FnOperator", Box::new(running_sum.with_norm_bound(T::of(4.0))?)),
        ("Gradient", Box::new(Gradient::new([6])?)),
        ("Gradient", Box::new(Gradient::new([4, 5])?)),
        ("Gradient", Box::new(Gradient::new([1, 3, 4])?)),
        ("Gradient", Box::new(Gradient::new([3, 5])?)),
        ("Gradient", Box::new(Gradient::new([2, 1, 3])?)),
        ("Gram", Box::new(Gram::new(wide))),
        ("Identity", Box::new(Identity::new(5))),
        ("Identity", Box::new(Identity::new(0))),
        ("Mask", Box::new(mask.clone())),
        ("Mask", Box::new(Mask::from_indices(3, vec![2, 0, 1])?)),
        ("Mask", Box::new(Mask::from_bools(&[false, false]))),
        ("Scaled", Box::new(Scaled::new(T::of(-2.5), mask.clone()))),
        ("Sparse", Box::new(csc)),
        ("Standardized", Box::new(Standardized::new(csc.into(), what)?)),
        ("Standardized", Box::new(dense_view)),
        ("Sum", Box::new(Sum::new(diagonal.clone(), Gram::new(wide))?)),
        (
            "VStack",
            Box::new(VStack::new(vec![Box::new(Gram::new(wide)), Box::new(mask), Box::new(diagonal)])?),
        ),
    ])
}

fn dense<T: Scalar>(rng: &mut Rng, nrows: usize, ncols: usize) -> Result<Dense<'static, T>, LinalgError> {
    Dense::from_column_major(rng.normals(nrows * ncols).leak(), nrows, ncols)
}

fn scan<'a, T: Scalar>(input: impl Iterator<Item = &'a T>, output: impl Iterator<Item = &'a mut T>) {
    let mut sum = T::zero();
    for (o, &v) in output.zip(input) {
        sum += v;
        *o = sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check_operator;

    fn obeys_the_laws<T: Scalar>() {
        for (name, op) in operators::<T>() {
            let described = format!("{op:?}");
            assert!(described.starts_with(name), "{name} is listed for {described}");
            check_operator(&*op);
        }
    }

    #[test]
    fn every_operator_obeys_the_laws_in_f64() {
        obeys_the_laws::<f64>();
    }

    #[test]
    fn every_operator_obeys_the_laws_in_f32() {
        obeys_the_laws::<f32>();
    }
}
