//! A 4000 × 4000 image through all its overlapping 8 × 8 patches, a billion values, in bounded memory.
//!
//! `cargo run --release -p spm-examples --bin large_image_patches`, on Linux under `/usr/bin/time -v` for the peak memory.

use sparse_modeling::image::{Gray, PatchAverage, PatchGrid};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let side = 4000;
    let value = |k: usize| ((k * 7919) % 1009) as f32 / 1008.0;
    let image = Gray::new(side, side, (0..side * side).map(value).collect())?;
    let grid = PatchGrid::<1>::overlapping(image.size(), (8, 8))?;
    let mut average = PatchAverage::new(grid);
    let mut buffer = vec![0.0_f32; 4096 * grid.dim()];
    for range in grid.blocks(4096) {
        let block = &mut buffer[..range.len() * grid.dim()];
        grid.extract_into(image.view(), range.clone(), block)?;
        // Here a real program would change the patches.
        average.add(range, block);
    }
    let rebuilt = average.finish();
    let worst = image.data().iter().zip(rebuilt.data()).map(|(a, b)| (a - b).abs()).fold(0.0_f32, f32::max);
    println!("{} patches of {} values, largest difference {worst:.1e}", grid.len(), grid.dim());
    // Where the system tells, the most memory ever held.
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        println!("peak memory {}", peak.unwrap_or(" unknown").trim());
    }
    Ok(())
}
