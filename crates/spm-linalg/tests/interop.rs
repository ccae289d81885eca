//! Matrices of ndarray, nalgebra and sprs: viewed, not copied; other layouts are refused.
#![cfg(all(feature = "ndarray", feature = "nalgebra", feature = "sprs"))]
#![allow(clippy::unwrap_used)]

use nalgebra::{DMatrix, DVector, Matrix3x2};
use ndarray::{Array2, ShapeBuilder, s};
use spm_linalg::{Dense, Design, LinearOperator, Sparse, interop};
use sprs::{CsMat, CsMatView};

#[test]
fn ndarray_only_whole_columns_are_viewed_and_nothing_is_copied() {
    let data: Vec<f32> = (0..20).map(|k| k as f32).collect();
    let x = Array2::from_shape_vec((4, 5).f(), data).unwrap();
    let all = Dense::try_from(x.view()).unwrap();
    assert_eq!(all.col(2), [8.0, 9.0, 10.0, 11.0]);
    assert!(core::ptr::eq(all.col(0).as_ptr(), x.as_ptr()));
    let some = Dense::try_from(x.slice(s![.., 1..3])).unwrap();
    assert!(core::ptr::eq(some.col(0).as_ptr(), all.col(1).as_ptr()));
    for gaps in [x.slice(s![1.., ..]), x.slice(s![.., ..;2]), x.slice(s![..;-1, ..]), x.t()] {
        assert!(Dense::try_from(gaps).is_err(), "{:?}", gaps.strides());
    }
    assert!(Design::try_from(x.slice(s![.., 0..0])).is_ok());
    let back = interop::ndarray::view(&[1.0_f32, 2.0], 1, 2).unwrap();
    assert_eq!(back[[0, 1]], 2.0);
    assert!(interop::ndarray::view(&[1.0_f32; 3], 2, 2).is_err());
}

#[test]
fn nalgebra_matrices_of_every_size_are_viewed_and_nothing_is_copied() {
    let x = DMatrix::<f32>::from_fn(4, 3, |i, j| (10 * j + i) as f32);
    let view_in = Dense::from(&x);
    assert!(core::ptr::eq(view_in.col(0).as_ptr(), x.as_slice().as_ptr()));
    assert_eq!(view_in.col(2), [20.0, 21.0, 22.0, 23.0]);
    let fixed = Matrix3x2::new(1.0, 2.0, 3.0, 4.0, 5.0, 6.0);
    assert_eq!(Dense::from(&fixed).col(1), [2.0, 4.0, 6.0]);
    let vector = DVector::from_vec(vec![1.0, 2.0]);
    assert_eq!((Design::from(&vector).nrows(), Design::from(&vector).ncols()), (2, 1));
    let out = interop::nalgebra::view(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3, 2).unwrap();
    assert_eq!((out[(2, 0)], out[(0, 1)]), (3.0, 4.0));
    assert!(interop::nalgebra::view(&[1.0; 3], 2, 2).is_err());
}

#[test]
fn sprs_compressed_columns_are_viewed_and_nothing_is_copied() {
    let x = CsMat::new_csc((3, 3), vec![0, 2, 2, 3], vec![0, 2, 1], vec![1.0_f32, 2.0, 3.0]);
    let view_in = Sparse::try_from(x.view()).unwrap();
    assert_eq!((view_in.nrows(), view_in.ncols(), view_in.nnz()), (3, 3, 3));
    assert_eq!(view_in.col(0), (&[0, 2][..], &[1.0, 2.0][..]));
    assert!(core::ptr::eq(view_in.col(0).1.as_ptr(), x.data().as_ptr()));
    assert!(Sparse::try_from(x.transpose_view()).is_err());
    let (first, last) = (x.slice_outer(0..2), x.slice_outer(1..3));
    assert_eq!(Sparse::try_from(first).unwrap().col(0), view_in.col(0));
    assert!(Sparse::try_from(last).is_err());
    let back = CsMatView::try_from(view_in).unwrap();
    assert!(core::ptr::eq(back.data().as_ptr(), x.data().as_ptr()));
    assert!(Design::try_from(x.view()).is_ok());
}
