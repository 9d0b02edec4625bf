//! Sums against brute force.
