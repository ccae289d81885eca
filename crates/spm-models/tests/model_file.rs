//! Model files: round trips, golden files, and everything that must be refused.
#![cfg(feature = "serde")]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io;
use std::path::PathBuf;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use spm_linalg::check;
use spm_linalg::testing::Rng;
use spm_models::dictionary::{
    AnyCoder, CoSaMp, Encoder, Iht, JointCoder, LarsCoder, LassoCoder, LassoMethod, NonNegativeOmp, Omp,
    Rule, Threshold, dct,
};
use spm_models::file::{self, FileError, Model, Shape};
use spm_models::preprocess::{Normalizer, Whitening};
use spm_models::{Dictionary, LinearModel, ModelError};

fn linear() -> LinearModel<f64> {
    LinearModel::new(vec![1.5, 0.0, -2.0], 0.25, 0.1).unwrap()
}

/// Rebuilds the container around a payload, with valid checksums.
fn container(kind: u32, flags: u8, payload: &[u8], length: u64) -> Vec<u8> {
    let mut out = b"SPM\x1a\x01\x00\x01".to_vec();
    out.push(flags);
    out.extend(kind.to_le_bytes());
    out.extend(length.to_le_bytes());
    let crc = crc32fast::hash(&out);
    out.extend(crc.to_le_bytes());
    out.extend(payload);
    let crc = crc32fast::hash(&out);
    out.extend(crc.to_le_bytes());
    out
}

fn payload<M: Model>(model: &M) -> Vec<u8> {
    let bytes = file::to_bytes(model).unwrap();
    bytes[24..bytes.len() - 4].to_vec()
}

/// A folder of this test, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(&self.0).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn round_trips() {
    fn check<M: Model + PartialEq + std::fmt::Debug>(model: &M) {
        assert_eq!(&file::from_bytes::<M>(&file::to_bytes(model).unwrap()).unwrap(), model);
        let mut bytes = Vec::new();
        file::write(model, &mut bytes).unwrap();
        assert_eq!(&file::read::<M>(&bytes[..]).unwrap(), model);
    }
    check(&linear());
    check(&LinearModel::new(vec![1.5_f32], -0.5, 0.0).unwrap());
    check(&LinearModel::<f64>::new(vec![], 3.0, 0.0).unwrap());
    check(&dct::overcomplete_2d::<f64>(4, 6).unwrap());
    check(&dct::overcomplete_2d::<f32>(4, 6).unwrap());
    let coders: [AnyCoder<f64>; 8] = [
        Omp::with_k(2).eps(0.5).rule(Rule::Ols).into(),
        NonNegativeOmp::new(2).into(),
        LassoCoder::new(0.5).method(LassoMethod::Homotopy).into(),
        LarsCoder::with_k(3).eps(0.25).into(),
        JointCoder::new(0.5).group(9).into(),
        Threshold::hard(0.5).into(),
        Iht::new(2).into(),
        CoSaMp::new(2).into(),
    ];
    for coder in coders {
        check(&Encoder::new(dct::orthonormal_1d(3).unwrap(), coder));
    }
    check(&encoder());
}

/// Every part, with numbers that the tests below can find in the bytes.
fn encoder() -> Encoder<f64> {
    let white = Whitening::new().fit(&[2.0, 0.0, -2.0, 0.0, 0.0, 1.0, 0.0, -1.0], 2).unwrap();
    Encoder::new(Dictionary::new(vec![1.0, 0.0, 0.6, 0.8], 2).unwrap(), LassoCoder::new(0.375))
        .normalizer(Normalizer::new().floor(0.125))
        .whitening(white)
}

#[test]
fn golden_files_load_for_ever() {
    let path =
        |name: &str| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/models").join(name);
    let model: LinearModel<f64> = file::load(path("linear_v1.spm")).unwrap();
    assert_eq!(model, linear());
    let atoms: Dictionary<f32> = file::load(path("dictionary_v1.spm")).unwrap();
    assert_eq!(atoms, Dictionary::new(vec![1.0, 0.0, 0.6, 0.8, 0.0, -1.0], 2).unwrap());
    let info = file::inspect(path("dictionary_v1.spm")).unwrap();
    assert_eq!((info.format, info.codec, info.kind, info.scalar), (1, 1, 2, "f32"));
    assert_eq!(info.shapes, [Shape::new("atoms", &[2, 3])]);
    let stored: Encoder<f64> = file::load(path("encoder_v1.spm")).unwrap();
    assert_eq!((stored.coder, stored.normalizer), (encoder().coder, encoder().normalizer));
    assert_eq!(stored.dictionary, encoder().dictionary);
    let shapes = file::inspect(path("encoder_v1.spm")).unwrap().shapes;
    let names: Vec<&str> = shapes.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["atoms", "mean", "deviations", "directions"]);
    // As long as format 1 is what is written, it is written like this.
    assert_eq!(file::to_bytes(&stored).unwrap(), fs::read(path("encoder_v1.spm")).unwrap());
    assert_eq!(file::to_bytes(&atoms).unwrap(), fs::read(path("dictionary_v1.spm")).unwrap());
    assert_eq!(file::to_bytes(&model).unwrap(), fs::read(path("linear_v1.spm")).unwrap());
}

#[test]
fn every_flipped_bit_is_noticed() {
    let bytes = file::to_bytes(&Dictionary::new(vec![1.0, 0.0, 0.0, 1.0], 2).unwrap()).unwrap();
    for bit in 0..8 * bytes.len() {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(file::from_bytes::<Dictionary<f64>>(&bad).is_err(), "bit {bit}");
        assert!(file::inspect_bytes(&bad).is_err(), "bit {bit}");
    }
}

#[test]
fn every_truncation_and_extension_is_noticed() {
    let bytes = file::to_bytes(&linear()).unwrap();
    for n in 0..bytes.len() {
        let e = file::from_bytes::<LinearModel<f64>>(&bytes[..n]).unwrap_err();
        assert!(matches!(e, FileError::Truncated { .. }), "{n}: {e}");
        assert!(file::inspect_bytes(&bytes[..n]).is_err());
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(
        file::from_bytes::<LinearModel<f64>>(&longer),
        Err(FileError::TrailingBytes { extra: 1 })
    ));
    // Inside the payload, under a valid checksum.
    let longer = [&payload(&linear())[..], &[0]].concat();
    let bytes = container(1, 0, &longer, longer.len() as u64);
    assert!(matches!(
        file::from_bytes::<LinearModel<f64>>(&bytes),
        Err(FileError::TrailingBytes { extra: 1 })
    ));
}

#[test]
fn hostile_lengths_allocate_nothing() {
    for length in [u64::MAX, 1 << 60, 1 << 40, 1 << 31] {
        let bytes = container(1, 0, &payload(&linear()), length);
        assert!(matches!(file::from_bytes::<LinearModel<f64>>(&bytes), Err(FileError::Truncated { .. })));
        // Every place of the payload that could be a length.
        let clean = payload(&linear());
        for at in 0..clean.len() - 8 {
            let mut bad = clean.clone();
            bad[at..at + 8].copy_from_slice(&length.to_le_bytes());
            let bytes = container(1, 0, &bad, bad.len() as u64);
            match file::from_bytes::<LinearModel<f64>>(&bytes) {
                Err(_) => {}
                Ok(model) => assert!(model.coef.len() == 3, "a length was believed"),
            }
        }
    }
}

#[test]
fn a_text_that_claims_to_be_long_is_refused_before_it_is_allocated() {
    let mut bad = payload(&linear());
    // The payload starts with the length of the name.
    assert_eq!(bad[..8], 12_u64.to_le_bytes());
    bad[..8].copy_from_slice(&(1_u64 << 29).to_le_bytes());
    let bytes = container(1, 0, &bad, bad.len() as u64);
    for e in [file::from_bytes::<LinearModel<f64>>(&bytes).err(), file::inspect_bytes(&bytes).err()] {
        let e = e.unwrap();
        assert!(matches!(e, FileError::Payload(_)) && format!("{e:?}").contains("LimitExceeded"), "{e:?}");
    }
}

#[test]
fn models_on_both_sides_of_every_limit_load() {
    for len in [500, 510, 131_060, 131_072, (1 << 23) - 20, 1 << 23] {
        let model = LinearModel::new(vec![0.5; len], 0.0, 0.0).unwrap();
        let bytes = file::to_bytes(&model).unwrap();
        assert!(file::from_bytes::<LinearModel<f64>>(&bytes).unwrap() == model, "{len}");
    }
}

#[test]
fn other_kinds_widths_and_versions_are_named() {
    let bytes = file::to_bytes(&linear()).unwrap();
    let e = file::from_bytes::<Dictionary<f64>>(&bytes).unwrap_err();
    assert!(matches!(e, FileError::WrongKind { expected: 2, got: 1, .. }), "{e}");
    let e = file::from_bytes::<LinearModel<f32>>(&bytes).unwrap_err();
    assert!(matches!(e, FileError::WrongScalar { expected: "f32", got: "f64" }), "{e}");
    assert!(matches!(
        file::from_bytes::<LinearModel<f64>>(b"PK\x03\x04 and so on"),
        Err(FileError::NotAModel)
    ));
    for (at, what) in [(4, "format"), (6, "codec"), (7, "flags")] {
        let mut later = bytes.clone();
        later[at] = 2;
        let crc = crc32fast::hash(&later[..20]);
        later[20..24].copy_from_slice(&crc.to_le_bytes());
        let e = file::from_bytes::<LinearModel<f64>>(&later).unwrap_err();
        assert!(matches!(e, FileError::Unsupported { what: w, got: 2 } if w == what), "{e}");
    }
}

#[test]
fn nonsense_under_a_valid_checksum_is_refused() {
    let replace = |mut bytes: Vec<u8>, from: f64, to: f64| {
        let at = bytes.windows(8).position(|w| w == from.to_le_bytes()).unwrap();
        bytes[at..at + 8].copy_from_slice(&to.to_le_bytes());
        bytes
    };
    for (from, to) in [(1.5, f64::NAN), (0.25, f64::INFINITY), (0.1, -1.0)] {
        let bad = replace(payload(&linear()), from, to);
        let e = file::from_bytes::<LinearModel<f64>>(&container(1, 0, &bad, bad.len() as u64)).unwrap_err();
        assert!(matches!(e, FileError::Invalid(_)), "{e}");
    }
    let d = Dictionary::new(vec![0.6, 0.8, 0.0, 1.0], 2).unwrap();
    for to in [0.7, f64::NAN] {
        let bad = replace(payload(&d), 0.6, to);
        let e = file::from_bytes::<Dictionary<f64>>(&container(2, 0, &bad, bad.len() as u64)).unwrap_err();
        assert!(
            e.to_string().contains(if to.is_nan() { "row 0, column 0" } else { "atom 0 has norm" }),
            "{e}"
        );
    }
    let wrong =
        [(0.375, -1.0, "lambda"), (0.375, f64::NAN, "lambda"), (0.125, -1.0, "floor"), (0.6, 0.7, "norm")];
    for (from, to, what) in wrong {
        let bad = replace(payload(&encoder()), from, to);
        let e = file::from_bytes::<Encoder<f64>>(&container(3, 0, &bad, bad.len() as u64)).unwrap_err();
        assert!(e.to_string().contains(what), "{e}");
    }
    // White signals of two entries, atoms of three.
    let mut unfit = encoder();
    unfit.dictionary = dct::orthonormal_1d(3).unwrap();
    assert!(matches!(file::to_bytes(&unfit), Err(FileError::Invalid(_))));
    // A shape that does not divide the data, one that overflows, and a description of something else.
    let mut dims = payload(&d);
    let at = dims.len() - 4 * 8 - 8 - 8;
    assert_eq!(dims[at..at + 8], 2_u64.to_le_bytes());
    for dim in [3, 0, u64::MAX, 1 << 63] {
        dims[at..at + 8].copy_from_slice(&u64::to_le_bytes(dim));
        assert!(
            file::from_bytes::<Dictionary<f64>>(&container(2, 0, &dims, dims.len() as u64)).is_err(),
            "{dim}"
        );
    }
    let mut other = payload(&d);
    let at = other.windows(5).position(|w| w == b"atoms").unwrap();
    other[at] = b'A';
    let e = file::from_bytes::<Dictionary<f64>>(&container(2, 0, &other, other.len() as u64)).unwrap_err();
    assert!(matches!(e, FileError::Payload(_)), "{e}");
    // What would not load is not saved.
    let mut broken = linear();
    broken.intercept = f64::NAN;
    assert!(matches!(file::to_bytes(&broken), Err(FileError::Invalid(_))));
}

#[test]
fn saving_replaces_the_whole_file_or_nothing() {
    let folder = Folder::new("save");
    let path = folder.0.join("model.spm");
    file::save(&linear(), &path).unwrap();
    let mut other = linear();
    other.intercept = 7.0;
    // A temporary file left behind by a crash is in nobody's way.
    fs::write(folder.0.join(".model.spm.0.tmp"), b"half").unwrap();
    file::save(&other, &path).unwrap();
    assert_eq!(file::load::<LinearModel<f64>>(&path).unwrap(), other);
    assert_eq!(folder.names(), [".model.spm.0.tmp", "model.spm"]);
    other.alpha = f64::NAN;
    assert!(file::save(&other, &path).is_err());
    assert_eq!(file::load::<LinearModel<f64>>(&path).unwrap().intercept, 7.0);
    assert_eq!(file::inspect(&path).unwrap().name, "linear model");
    // A folder in the way: an error, and no temporary file stays.
    fs::create_dir_all(folder.0.join("taken/full")).unwrap();
    assert!(matches!(file::save(&linear(), folder.0.join("taken")), Err(FileError::Io(_))));
    assert!(!folder.names().iter().any(|n| n.starts_with(".taken")));
    assert!(matches!(file::save(&linear(), folder.0.join("missing/model.spm")), Err(FileError::Io(_))));
    assert!(matches!(file::load::<LinearModel<f64>>(folder.0.join("none")), Err(FileError::Io(_))));
}

#[test]
fn a_failing_reader_is_an_io_error() {
    struct Failing(usize);
    impl io::Read for Failing {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.0 -= 1;
            buf[0] = b'S';
            Ok(1)
        }
    }
    assert!(matches!(file::read::<LinearModel<f64>>(Failing(10)), Err(FileError::Io(_))));
    assert!(matches!(file::read::<LinearModel<f64>>(&b"SPM"[..]), Err(FileError::Truncated { .. })));
}

/// A kind defined elsewhere.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Level {
    at: f64,
}

impl Model for Level {
    const KIND: u32 = 1000;
    const NAME: &'static str = "threshold";
    const SCALAR_BYTES: usize = 8;

    fn shapes(&self) -> Vec<Shape> {
        Vec::new()
    }

    fn validate(&self) -> Result<(), ModelError> {
        Ok(check::non_negative("threshold", self.at)?)
    }
}

#[test]
fn other_crates_can_add_kinds() {
    let bytes = file::to_bytes(&Level { at: 2.0 }).unwrap();
    assert_eq!(file::from_bytes::<Level>(&bytes).unwrap(), Level { at: 2.0 });
    let info = file::inspect_bytes(&bytes).unwrap();
    assert_eq!(
        (info.kind, info.name.as_str(), info.payload_bytes),
        (1000, "threshold", bytes.len() as u64 - 28)
    );
    assert!(file::to_bytes(&Level { at: -1.0 }).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn garbage_is_an_error(noise in proptest::collection::vec(any::<u8>(), 0..200), sealed in any::<bool>()) {
        let bytes = if sealed { container(2, 0, &noise, noise.len() as u64) } else { noise };
        prop_assert!(file::from_bytes::<Dictionary<f64>>(&bytes).is_err());
        let _ = file::inspect_bytes(&bytes);
    }

    #[test]
    fn a_damaged_payload_never_aborts(at in 0_usize..400, value in any::<u8>()) {
        let mut bad = payload(&dct::orthonormal_1d::<f64>(5).unwrap());
        let at = at % bad.len();
        bad[at] = value;
        if let Ok(d) = file::from_bytes::<Dictionary<f64>>(&container(2, 0, &bad, bad.len() as u64)) {
            prop_assert!(Dictionary::new(d.atoms().to_vec(), d.dim()).is_ok());
        }
    }
}

#[test]
fn a_hundred_thousand_mutations_are_refused_or_valid() {
    let linear = payload(&linear());
    let atoms = payload(&dct::overcomplete_2d::<f32>(3, 4).unwrap());
    let whole = payload(&encoder());
    let mut rng = Rng::new(7);
    let mut below = |n: usize| (rng.uniform::<f64>() * n as f64) as usize;
    let mut accepted = 0;
    for round in 0..100_000 {
        let (kind, flags, clean) = [(1, 0, &linear), (2, 1, &atoms), (3, 0, &whole)][round % 3];
        // Half of them in the payload, sealed again; half anywhere in the file.
        let sealed = below(2) == 0;
        let mut bytes =
            if sealed { clean.clone() } else { container(kind, flags, clean, clean.len() as u64) };
        for _ in 0..=below(4) {
            let at = below(bytes.len());
            match below(5) {
                0 => bytes[at] ^= 1 << below(8),
                1 => bytes[at] = below(256) as u8,
                2 => bytes.truncate(at.max(1)),
                3 => bytes.insert(at, below(256) as u8),
                _ => {
                    let (from, n) = (below(bytes.len()), below(16));
                    let piece = bytes[from..bytes.len().min(from + n)].to_vec();
                    let end = bytes.len().min(at + piece.len());
                    bytes[at..end].copy_from_slice(&piece[..end - at]);
                }
            }
        }
        let bytes = if sealed { container(kind, flags, &bytes, bytes.len() as u64) } else { bytes };
        let _ = file::inspect_bytes(&bytes);
        // What is accepted makes sense, and is written as it was read.
        if let Ok(model) = file::from_bytes::<LinearModel<f64>>(&bytes) {
            assert!(model.validate().is_ok());
            assert_eq!(file::to_bytes(&model).unwrap(), bytes);
            accepted += 1;
        }
        if let Ok(e) = file::from_bytes::<Encoder<f64>>(&bytes) {
            assert!(e.validate().is_ok());
            assert_eq!(file::to_bytes(&e).unwrap(), bytes);
            accepted += 1;
        }
        if let Ok(d) = file::from_bytes::<Dictionary<f32>>(&bytes) {
            assert!(Dictionary::new(d.atoms().to_vec(), d.dim()).is_ok());
            assert_eq!(file::to_bytes(&d).unwrap(), bytes);
            accepted += 1;
        }
    }
    // Other numbers in place of numbers are another valid model: the test reaches behind the checksum.
    assert!((100..50_000).contains(&accepted), "{accepted}");
}

#[test]
fn every_kind_of_regression_comes_back_and_predicts_the_same() {
    use spm_models::{
        ConcaveRegression, Design, Family, Fit, FittedLinear, GeneralizedLasso, GlmModel, GroupLasso,
        HmLasso, LassoLars, LinearModel, MultiTaskLasso, MultiTaskModel, MultiXy, OmpRegression, Predict,
        Slope, SparseGlm, Structure, Xy,
    };
    fn there_and_back<M: file::Model>(model: &M) -> M {
        file::from_bytes(&file::to_bytes(model).unwrap()).unwrap()
    }
    let (n, p) = (20, 4);
    let x: Vec<f64> = spm_linalg::testing::Rng::new(1).normals(n * p);
    let y: Vec<f64> = (0..n).map(|i| 1.0 + x[i] - 2.0 * x[n + i]).collect();
    let design = Design::dense(&x, n, p).unwrap();
    let data = Xy::new(design, &y);
    let fitted: Vec<FittedLinear<f64>> = vec![
        GroupLasso::new(0.1, vec![0, 0, 1, 1]).fit(data).unwrap(),
        Slope::new(0.1, vec![2.0, 1.5, 1.0, 0.5]).fit(data).unwrap(),
    ];
    let mut models: Vec<LinearModel<f64>> = fitted.into_iter().map(LinearModel::from).collect();
    models.push(ConcaveRegression::mcp(0.1).fit(data).unwrap().into());
    models.push(OmpRegression::new(2).fit(data).unwrap().into());
    models.push(HmLasso::new(0.1).fit(data).unwrap().into());
    models.push(GeneralizedLasso::new(0.1, Structure::fused(1.0, 1.0)).fit(data).unwrap().into());
    models.push(LassoLars::default().fit(data).unwrap().model(0.1).unwrap());
    for model in &models {
        assert_eq!(there_and_back(model).predict(design).unwrap(), model.predict(design).unwrap());
    }
    let two: Vec<f64> = y.iter().copied().chain(y.iter().map(|v| -v)).collect();
    let fit = MultiTaskLasso::new(0.1).fit(MultiXy::new(design, &two)).unwrap();
    let model = there_and_back(&MultiTaskModel::from(fit.clone()));
    assert_eq!(model.predict(design).unwrap(), fit.predict(design).unwrap());
    assert!(MultiTaskModel::new(vec![1.0; 3], vec![0.0; 2], 0.1).is_err());
    assert!(MultiTaskModel::new(vec![f64::NAN; 2], vec![0.0; 2], 0.1).is_err());
    let labels: Vec<f64> = y.iter().map(|&v| f64::from(u8::from(v > 1.0))).collect();
    for (family, y) in
        [(Family::Logistic, &labels), (Family::Huber { delta: 1.0 }, &y), (Family::Poisson, &labels)]
    {
        let fit = SparseGlm::new(family, 0.05).fit(Xy::new(design, y)).unwrap();
        let model = there_and_back(&GlmModel::from(fit.clone()));
        assert_eq!(model.predict_mean(design).unwrap(), fit.predict_mean(design).unwrap());
    }
}
