//! The least value of a function of one variable.

/// Golden sections: brackets the minimiser of a unimodal `f` on `[low, high]` by `0.618^steps` of the interval; `(x, f(x))` of the best.
///
/// Calls `f` `steps + 2` times. Source: Kiefer 1953, *Sequential minimax search for a maximum*.
pub(super) fn golden_section<E>(
    (mut low, mut high): (f64, f64),
    steps: usize,
    mut f: impl FnMut(f64) -> Result<f64, E>,
) -> Result<(f64, f64), E> {
    let golden = 0.5 * (5.0_f64.sqrt() - 1.0);
    let (mut a, mut b) = (high - golden * (high - low), low + golden * (high - low));
    let (mut fa, mut fb) = (f(a)?, f(b)?);
    for _ in 0..steps {
        if fa <= fb {
            (high, b, fb) = (b, a, fa);
            a = high - golden * (high - low);
            fa = f(a)?;
        } else {
            (low, a, fa) = (a, b, fb);
            b = low + golden * (high - low);
            fb = f(b)?;
        }
    }
    Ok(if fa <= fb { (a, fa) } else { (b, fb) })
}

#[cfg(test)]
mod tests {
    use super::golden_section;

    #[test]
    fn finds_the_vertex_of_a_parabola_and_an_end() {
        let vertex = golden_section((-3.0, 5.0), 30, |x| Ok::<_, ()>((x - 1.2).powi(2) - 0.5)).unwrap();
        assert!((vertex.0 - 1.2).abs() < 1e-5 && (vertex.1 + 0.5).abs() < 1e-9);
        let end = golden_section((0.0, 1.0), 20, Ok::<_, ()>).unwrap();
        assert!(end.0 < 1e-3);
        assert_eq!(golden_section((0.0, 1.0), 5, |_| Err(7)), Err(7));
    }
}
