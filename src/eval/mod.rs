//! How well detection does on labelled text: precision and recall by text, by place and by class of
//! surface, what is taken for what, and whether confidences tell the truth.
//!
//! Owns the scores. Never changes how anything is detected, and reads no file: callers hand in lines.

mod labelled;
mod score;
mod surface;
mod table;

pub use labelled::{Label, LabelledText, read};
pub use score::{Bin, Confusion, Counts, Mistake, Report, evaluate};
pub use surface::SurfaceClass;
pub use table::table;
