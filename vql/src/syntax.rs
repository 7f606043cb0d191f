//! The text of queries: from bytes to a tree and back.

pub mod ast;
pub mod calls;
mod expression;
mod layout;
mod lexer;
mod parser;
mod printer;
pub mod walk;

pub use layout::reformat;
pub use lexer::Position;
pub use parser::{ParseError, SyntaxFault, parse_expression, parse_lambda, parse_program};
