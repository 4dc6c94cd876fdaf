//! The screen, literally.
