//! Matrices of other libraries, in and out, without copying.
//!
//! | feature | in | out |
//! |---|---|---|
//! | `ndarray` | `Dense` and `Design` from an `ArrayView2` in column-major (Fortran) order | [`ndarray::view`](self::ndarray) |
//! | `nalgebra` | `Dense` and `Design` from a `&DMatrix`, or any other contiguous matrix | [`nalgebra::view`](self::nalgebra) |
//! | `sprs` | `Sparse` and `Design` from a `CsMatView` in compressed columns | a `CsMatView` from `Sparse` |
//!
//! This library reads whole columns. A matrix stored by rows is therefore refused with an error that says so, never copied
//! behind one's back: its transpose is a view that is stored by columns. That is all a table of signals needs, which are rows
//! there and columns here.

#[cfg(feature = "nalgebra")]
pub mod nalgebra;
#[cfg(feature = "ndarray")]
pub mod ndarray;
#[cfg(feature = "sprs")]
pub mod sprs;
