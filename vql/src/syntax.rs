//! The text of queries: from bytes to a tree and back.

pub mod ast;
mod expression;
mod lexer;
mod parser;
mod printer;

pub use lexer::Position;
pub use parser::{ParseError, SyntaxFault, parse_expression, parse_lambda, parse_program};
