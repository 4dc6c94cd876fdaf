//! The screen that is drawn becomes what a terminal understands.
//!
//! Only what this interface uses: three colours, and what makes text bold, dim, reversed or blink.

use std::io::{self, Write};

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::style::{Attribute, Color as TerminalColor, Print, SetAttribute, SetForegroundColor};
use crossterm::terminal::{self, Clear};
use crossterm::{execute, queue};
use ratatui_core::backend::{Backend, ClearType, WindowSize};
use ratatui_core::buffer::Cell;
use ratatui_core::layout::{Position, Size};
use ratatui_core::style::{Color, Modifier};

const ATTRIBUTES: [(Modifier, Attribute); 4] = [
    (Modifier::BOLD, Attribute::Bold),
    (Modifier::DIM, Attribute::Dim),
    (Modifier::REVERSED, Attribute::Reverse),
    (Modifier::SLOW_BLINK, Attribute::SlowBlink),
];

/// Terminal behind a writer.
pub(super) struct Screen<W: Write>(pub W);

impl<W: Write> Backend for Screen<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let plain = (Color::Reset, Modifier::empty());
        let mut style = plain;
        // Where the terminal writes next, as far as that is certain: a wide character moves it further.
        let mut next = None;
        for (x, y, cell) in content {
            if next != Some((x, y)) {
                queue!(self.0, MoveTo(x, y))?;
            }
            next = Some((x + 1, y));
            if style != (cell.fg, cell.modifier) {
                style = (cell.fg, cell.modifier);
                self.set_style(style)?;
            }
            queue!(self.0, Print(cell.symbol()))?;
        }
        if style == plain {
            Ok(())
        } else {
            self.set_style(plain)
        }
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        execute!(self.0, Hide)
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        execute!(self.0, Show)
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        crossterm::cursor::position().map(Position::from)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        let Position { x, y } = position.into();
        execute!(self.0, MoveTo(x, y))
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, region: ClearType) -> io::Result<()> {
        execute!(
            self.0,
            Clear(match region {
                ClearType::All => terminal::ClearType::All,
                ClearType::AfterCursor => terminal::ClearType::FromCursorDown,
                ClearType::BeforeCursor => terminal::ClearType::FromCursorUp,
                ClearType::CurrentLine => terminal::ClearType::CurrentLine,
                ClearType::UntilNewLine => terminal::ClearType::UntilNewLine,
            })
        )
    }

    fn size(&self) -> io::Result<Size> {
        terminal::size().map(Size::from)
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        let size = terminal::window_size()?;
        Ok(WindowSize {
            columns_rows: Size::new(size.columns, size.rows),
            pixels: Size::new(size.width, size.height),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<W: Write> Screen<W> {
    fn set_style(&mut self, (color, modifier): (Color, Modifier)) -> io::Result<()> {
        queue!(self.0, SetAttribute(Attribute::Reset))?;
        let color = match color {
            Color::Green => Some(TerminalColor::DarkGreen),
            Color::Red => Some(TerminalColor::DarkRed),
            Color::Yellow => Some(TerminalColor::DarkYellow),
            _ => None,
        };
        if let Some(color) = color {
            queue!(self.0, SetForegroundColor(color))?;
        }
        for (wanted, attribute) in ATTRIBUTES {
            if modifier.contains(wanted) {
                queue!(self.0, SetAttribute(attribute))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ratatui_core::buffer::Buffer;
    use ratatui_core::layout::Rect;
    use ratatui_core::style::Style;
    use ratatui_core::text::{Line, Span};

    use super::*;

    #[test]
    fn cells_become_moves_styles_and_text() {
        let before = Buffer::empty(Rect::new(0, 0, 8, 2));
        let mut after = before.clone();
        let bad = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
        after.set_line(
            1,
            0,
            &Line::from(vec![Span::raw("a"), Span::styled("bc", bad)]),
            7,
        );
        after.set_line(0, 1, &Line::raw("d"), 8);
        let mut screen = Screen(Vec::new());
        screen.draw(before.diff(&after).into_iter()).unwrap();
        assert_eq!(
            String::from_utf8(screen.0).unwrap(),
            "\x1b[1;2Ha\x1b[0m\x1b[38;5;1m\x1b[1mbc\x1b[2;1H\x1b[0md"
        );
    }
}
