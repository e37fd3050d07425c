//! The order in which several are tried: shares by weight, drawn without putting back (RFC 2782). Owns the drawing; refuses to
//! know what is drawn.

use rand::RngCore;

/// All of `from` in an order drawn by weight; those of weight 0 come last, in their own order.
pub fn by_weight<T>(from: Vec<T>, weight: impl Fn(&T) -> u32, rng: &mut dyn RngCore) -> Vec<T> {
    let (last, mut left): (Vec<T>, Vec<T>) = from.into_iter().partition(|item| weight(item) == 0);
    let mut ordered = Vec::with_capacity(left.len() + last.len());
    while left.len() > 1 {
        let total: u64 = left.iter().map(|item| u64::from(weight(item))).sum();
        let mut draw = rng.next_u64() % total.max(1);
        let drawn = left.iter().position(|item| {
            let weight = u64::from(weight(item));
            let here = draw < weight;
            draw = draw.saturating_sub(weight);
            here
        });
        ordered.push(left.remove(drawn.unwrap_or(0)));
    }
    ordered.extend(left);
    ordered.extend(last);
    ordered
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn the_first_place_is_shared_by_weight() {
        let mut rng = StdRng::seed_from_u64(1);
        let first = (0..4000).filter(|_| by_weight(vec![1, 3], |w| *w, &mut rng).first() == Some(&3)).count();
        assert!((2900..3100).contains(&first), "{first} of 4000");
    }

    proptest! {
        #[test]
        fn nobody_is_lost_and_weight_nothing_is_last(weights in prop::collection::vec(0u32..5, 0..10), seed: u64) {
            let items: Vec<(usize, u32)> = weights.iter().copied().enumerate().collect();
            let mut drawn = by_weight(items.clone(), |item| item.1, &mut StdRng::seed_from_u64(seed));
            let zeros = drawn.iter().skip_while(|item| item.1 > 0);
            prop_assert!(zeros.clone().all(|item| item.1 == 0));
            drawn.sort_unstable();
            prop_assert_eq!(drawn, items);
        }
    }
}
