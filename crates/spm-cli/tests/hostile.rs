//! Files that are damaged, empty, contradictory or made to harm: one line that names the file, and nothing written.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::Write;
use std::path::PathBuf;

use common::{Folder, json, refused, spm};

/// The bytes of a `.npy` file with any header.
fn npy_bytes(header: &str, data: &[u8]) -> Vec<u8> {
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend(u16::try_from(header.len() + 1).unwrap().to_le_bytes());
    out.extend(header.as_bytes());
    out.push(b'\n');
    out.extend(data);
    out
}

/// The bytes of a `.npy` file of 64-bit integers, one-dimensional.
fn integers(values: &[i64]) -> Vec<u8> {
    let header = format!("{{'descr': '<i8', 'fortran_order': False, 'shape': ({},), }}", values.len());
    npy_bytes(&header, &values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>())
}

/// An `.npz` archive without compression.
fn npz(f: &Folder, name: &str, members: &[(&str, Vec<u8>)]) -> PathBuf {
    let path = f.path(name);
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (member, bytes) in members {
        zip.start_file(*member, stored).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
    path
}

#[test]
fn claims_of_huge_shapes_are_refused_before_anything_is_allocated() {
    let f = Folder::new();
    let y = f.npy("y.npy", &[3], &[1.0, 2.0, 3.0]);
    let out = f.path("o.npy");
    let refuse = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        refused("lasso {} {} -o {} --alpha 1", &[path, &y, &out], &format!("{name}: "));
        refused("tv1d {} -o {} --lambda 1", &[path, &out], &format!("{name}: "));
    };
    let mut long = b"\x93NUMPY\x02\x00".to_vec();
    long.extend(u32::MAX.to_le_bytes());
    let files = [
        ("header.npy", [&long[..], b"{}"].concat()),
        ("nested.npy", npy_bytes(&"(".repeat(60_000), b"")),
        ("two-lines.npy", npy_bytes("{'descr': '<f8',\n\n 'shape'", b"")),
        (
            "shape.npy",
            npy_bytes("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 4), }", &[0; 32]),
        ),
    ];
    for (name, bytes) in files {
        let path = f.path(name);
        std::fs::write(&path, bytes).unwrap();
        refuse(&path);
    }
    for columns in ["1000000000000000000", "18446744073709551615", "0"] {
        let header = "%%MatrixMarket matrix coordinate real general";
        refuse(&f.text("wide.mtx", &format!("{header}\n3 {columns} 0\n")));
    }
    let symmetric = "%%MatrixMarket matrix coordinate real symmetric\n3 2 1\n2 2 1.0\n";
    refuse(&f.text("symmetric.mtx", symmetric));
    for (shape, pointers) in
        [([3, -1], vec![]), ([3, i64::MAX], vec![]), ([3, 1 << 40], vec![0]), ([-3, 0], vec![0])]
    {
        let members = [
            ("format.npy", b"csc".to_vec()),
            ("shape.npy", integers(&shape)),
            ("indptr.npy", integers(&pointers)),
            ("indices.npy", integers(&[])),
            ("data.npy", integers(&[])),
        ];
        refuse(&npz(&f, "sparse.npz", &members));
    }
    assert!(!out.exists());
}

#[test]
fn a_flipped_bit_in_an_archive_is_noticed() {
    let f = Folder::new();
    let y = f.npy("y.npy", &[3], &[1.0, 2.0, 3.0]);
    let good = npz(&f, "good.npz", &[("y.npy", std::fs::read(&y).unwrap())]);
    let out = f.path("o.npy");
    json("tv1d {} -o {} --lambda 1", &[&good, &out], 0);
    std::fs::remove_file(&out).unwrap();
    let mut bytes = std::fs::read(&good).unwrap();
    let two = bytes.windows(8).position(|w| w == 2.0_f64.to_le_bytes()).unwrap();
    bytes[two] ^= 1;
    let bad = f.path("bad.npz");
    std::fs::write(&bad, bytes).unwrap();
    refused("tv1d {} -o {} --lambda 1", &[&bad, &out], "bad.npz: ");
    assert!(!out.exists());
}

#[test]
fn nothing_to_compute_on_is_an_error_of_the_file_that_is_empty() {
    let f = Folder::new();
    let x = f.npy("x.npy", &[3, 1], &[1.0, 2.0, 3.0]);
    let y = f.npy("y.npy", &[3], &[1.0, 2.0, 3.0]);
    let (out, none) = (f.path("o.npy"), f.npy("none.npy", &[3, 0], &[]));
    refused("lasso {} {} -o {} --alpha 1", &[&none, &y, &out], "none.npy: is empty");
    refused("lasso {} {} -o {} --alpha 1", &[&x, &none, &out], "none.npy: is empty");
    refused("omp {} {} -o {} --k 1", &[&none, &x, &out], "none.npy: is empty");
    let none = f.npy("none.npy", &[0, 1], &[]);
    refused("lasso {} {} -o {} --alpha 1", &[&none, &none, &out], "none.npy: is empty");
    refused("omp {} {} -o {} --k 1", &[&none, &x, &out], "none.npy: is empty");
    let header = f.text("header.csv", "a,b\n");
    refused("lasso {} {} -o {} --alpha 1", &[&header, &y, &out], "header.csv: is empty");
    let image = f.text("zero.pgm", "P5\n0 0\n255\n");
    refused("denoise {} -o {} --weight 1", &[&image, &out], "zero.pgm: ");
    assert!(!out.exists());
}

#[test]
fn the_message_names_the_file_that_is_wrong() {
    let f = Folder::new();
    let x = f.npy("x.npy", &[3, 2], &[1.0, 2.0, 3.0, 5.0, 4.0, 1.0]);
    let y = f.npy("y.npy", &[3], &[1.0, 2.0, 3.0]);
    let out = f.path("o.npy");
    for bad in [&[1.0, f64::NAN, 1.0][..], &[1.0, -1.0, 1.0], &[1.0; 7]] {
        let bad = f.npy("bad.npy", &[bad.len()], bad);
        let words = ["tv1d {} -o {} --lambda 1 --weights", "tv1d {} -o {} --lambda 1 --edge-weights"];
        let more = ["trend {} -o {} --lambda 1 --weights", "trend {} -o {} --lambda 1 --x"];
        for words in words.iter().chain(&more) {
            refused(&format!("{words} {{}}"), &[&y, &out, &bad], "bad.npy: ");
        }
        for option in ["--sample-weight", "--penalty-weights"] {
            let words = format!("lasso {{}} {{}} -o {{}} --alpha 1 {option} {{}}");
            refused(&words, &[&x, &y, &out, &bad], "bad.npy: ");
        }
    }
    let two = f.npy("two.npy", &[3, 2], &[1.0; 6]);
    let model = f.path("m.spm");
    refused("lasso {} {} -o {} --alpha 1", &[&x, &two, &model], "m.spm: ");
    assert!(!out.exists() && !model.exists());
}

#[test]
fn two_results_are_written_together_or_not_at_all() {
    let f = Folder::new();
    let y = f.npy("y.npy", &[4, 2], &[1.0, 2.0, 3.0, 5.0, 4.0, 1.0, 0.5, 2.0]);
    let v = f.npy("v.npy", &[4], &[1.0, 2.0, 3.0, 5.0]);
    let (out, lost) = (f.path("o.npy"), f.path("no-such-folder/x.npy"));
    let before = f.files();
    let words = "ksvd {} -o {} --codes {} --atoms 2 --k 1 --iters 1";
    refused(words, &[&y, &out, &lost], "no-such-folder");
    refused(words, &[&y, &lost, &out], "no-such-folder");
    refused("trend {} -o {} --lambda 1 --plot {}", &[&v, &out, &lost], "no-such-folder");
    assert_eq!(f.files(), before);
}

#[cfg(unix)]
#[test]
fn links_and_devices_are_written_through() {
    let f = Folder::new();
    let y = f.npy("y.npy", &[3], &[1.0, 2.0, 3.0]);
    let (target, link) = (f.path("target.npy"), f.path("link.npy"));
    std::fs::write(&target, "old").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    json("tv1d {} -o {} --lambda 1", &[&y, &link], 0);
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(std::fs::read(&target).unwrap().starts_with(b"\x93NUMPY"));
    let null = PathBuf::from("/dev/null");
    json("tv1d {} -o {} --lambda 1", &[&y, &null], 0);
    assert!(!std::fs::metadata(&null).unwrap().is_file());
}

#[test]
fn a_byte_order_mark_is_not_a_header() {
    let f = Folder::new();
    let y = f.text("y.csv", "\u{feff}1\n2\n3\n");
    let out = f.path("o.csv");
    json("tv1d {} -o {} --lambda 0", &[&y, &out], 0);
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "1.0\n2.0\n3.0\n");
}

#[test]
fn absurd_sizes_are_wrong_usage() {
    let f = Folder::new();
    let y = f.npy("y.npy", &[2, 2], &[1.0, 2.0, 3.0, 4.0]);
    let out = f.path("o.npy");
    for words in [
        "ksvd {} -o {} --atoms 1000000000000 --k 1 --init random",
        "ksvd {} -o {} --atoms 2 --k 1 --threads 0",
        "ksvd {} -o {} --atoms 2 --k 1 --threads 10000000",
    ] {
        assert_eq!(spm(words, &[&y, &out]).status.code(), Some(2), "{words}");
    }
    assert!(!out.exists());
}
