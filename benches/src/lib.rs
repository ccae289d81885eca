//! Fixed, seeded problems shared by the criterion benches and the suite behind `cargo xtask bench`.

pub mod problems;
