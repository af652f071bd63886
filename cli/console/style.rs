//! Tones of text, and whether they are shown.

use anstyle::{AnsiColor, Style};

/// What a piece of text is, not how it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// A heading.
    Bold,
    /// Less important.
    Dim,
    /// It failed.
    Bad,
    /// It went well.
    Good,
    /// Look at this.
    Warn,
    /// A name or a number to find again.
    Name,
}

/// Applies tones, or leaves text as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint(bool);

impl Paint {
    /// Colours.
    pub fn on() -> Self {
        Self(true)
    }

    /// Leaves text as it is.
    pub fn off() -> Self {
        Self(false)
    }

    /// The text in a tone.
    pub fn tone(self, tone: Tone, text: &str) -> String {
        if !self.0 || text.is_empty() {
            return text.to_owned();
        }
        let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
        let style = match tone {
            Tone::Bold => Style::new().bold(),
            Tone::Dim => Style::new().dimmed(),
            Tone::Bad => colour(AnsiColor::Red).bold(),
            Tone::Good => colour(AnsiColor::Green),
            Tone::Warn => colour(AnsiColor::Yellow).bold(),
            Tone::Name => colour(AnsiColor::Cyan),
        };
        format!("{style}{text}{style:#}")
    }
}
