//! aries
