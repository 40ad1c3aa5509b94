//! Tokens as text, with the spaces that people put between them.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;

/// Returns code on one line.
pub(super) fn text(code: impl ToTokens) -> String {
    let mut printer = Printer::default();
    printer.stream(code.into_token_stream());
    printer.text
}

#[derive(Default)]
struct Printer {
    text: String,
    /// Whether no space may follow what was printed last.
    glued: bool,
}

impl Printer {
    fn stream(&mut self, tokens: TokenStream) {
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Group(group) => {
                    let (open, close) = match group.delimiter() {
                        Delimiter::Parenthesis => ("(", ")"),
                        Delimiter::Bracket => ("[", "]"),
                        Delimiter::Brace => ("{ ", " }"),
                        Delimiter::None => ("", ""),
                    };
                    self.push(open, self.follows_name() && open == "(", true);
                    self.stream(group.stream());
                    // Without the comma that ends a list over several lines.
                    self.text.truncate(self.text.trim_end_matches(',').len());
                    self.text += close;
                    self.glued = false;
                }
                TokenTree::Punct(punct) => {
                    let mut sign = punct.as_char().to_string();
                    let mut spacing = punct.spacing();
                    while spacing == Spacing::Joint
                        && sign != "'"
                        && ["-", ":", "="].contains(&&*sign)
                    {
                        let Some(TokenTree::Punct(next)) = tokens.next() else {
                            break;
                        };
                        sign.push(next.as_char());
                        spacing = next.spacing();
                    }
                    self.sign(&sign);
                }
                TokenTree::Ident(ident) => self.push(&ident.to_string(), false, false),
                TokenTree::Literal(literal) => self.push(&literal.to_string(), false, false),
            }
        }
    }

    fn sign(&mut self, sign: &str) {
        match sign {
            "::" => self.push(sign, true, true),
            "<" | "." | "!" => self.push(sign, self.ends_name(), true),
            "&" | "'" | "#" | "?" | "*" => self.push(sign, false, true),
            ">" | "," | ":" | ";" => self.push(sign, true, false),
            _ => self.push(sign, false, false),
        }
    }

    /// Whether what was printed last can be called: a name with its generics, but no keyword.
    fn follows_name(&self) -> bool {
        const KEYWORDS: [&str; 6] = ["impl", "for", "dyn", "mut", "where", "as"];
        self.ends_name() && !KEYWORDS.contains(&self.last())
    }

    fn ends_name(&self) -> bool {
        let ends_name = |c: char| c.is_alphanumeric() || c == '_' || c == '>';
        self.last().ends_with(ends_name) && self.last() != "->"
    }

    fn last(&self) -> &str {
        self.text.rsplit(' ').next().unwrap_or_default()
    }

    fn push(&mut self, piece: &str, glue: bool, glued: bool) {
        if !glue && !self.glued && !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text += piece;
        self.glued = glued;
    }
}

#[test]
fn code_is_printed_as_people_write_it() {
    for code in [
        "pub async fn f<'a, T: Into<String> + 'a>(&self, name: &'a str) -> Result<(), Error>",
        "impl From<Vec<u8>> for Claims",
        "fn(&[u8]) -> Option<Box<dyn Fn(String) -> (u8, u8) + Send>>",
        "pub const MAX: usize",
        "impl<T: ?Sized> Deref for Guard<T>",
    ] {
        let tokens: TokenStream = code.parse().unwrap();
        assert_eq!(text(tokens), code);
    }
}
