//! Colours for light and dark. Neighbours are told apart by people who see
//! colours in another way, too: the tests look at them through their eyes.

/// How many keys have a colour of their own; what is left is grey.
pub const SERIES: usize = 8;
/// The class of what is left.
pub const REST: &str = "rest";

struct Theme {
    page: &'static str,
    text: &'static str,
    muted: &'static str,
    grid: &'static str,
    axis: &'static str,
    series: [&'static str; SERIES],
    rest: &'static str,
}

const LIGHT: Theme = Theme {
    page: "#ffffff",
    text: "#1c2430",
    muted: "#5b6675",
    grid: "#e6e9ee",
    axis: "#9aa4b1",
    series: [
        "#1498ed", "#e87613", "#016542", "#a177a2", "#212957", "#f8ad00", "#5e1b07", "#724e91",
    ],
    rest: "#a3abb5",
};

const DARK: Theme = Theme {
    page: "#12161c",
    text: "#e8ecf2",
    muted: "#9aa6b5",
    grid: "#252c36",
    axis: "#566170",
    series: [
        "#4c81ea", "#eab982", "#20763a", "#ca81a2", "#76e1f8", "#ef7156", "#fce56c", "#92aef7",
    ],
    rest: "#6b7480",
};

/// The style sheet: light, and dark where the reader prefers it. Plain colours
/// rather than variables, which not every viewer knows.
pub fn style() -> String {
    format!(
        ".vault-usage text{{font:13px system-ui,-apple-system,\"Segoe UI\",Roboto,\"Helvetica Neue\",Arial,sans-serif}}\n\
         .vault-usage .title{{font-size:22px;font-weight:600}}\n\
         .vault-usage .mark{{font-size:12px}}\n\
         .vault-usage .mark,.vault-usage .amount,.vault-usage .title{{font-variant-numeric:tabular-nums}}\n\
         {}@media (prefers-color-scheme:dark){{\n{}}}\n",
        LIGHT.rules(),
        DARK.rules(),
    )
}

impl Theme {
    fn rules(&self) -> String {
        let mut rules = String::new();
        for (name, what, color) in [
            (".page", "fill", self.page),
            ("text", "fill", self.text),
            (".mark", "fill", self.muted),
            (".muted", "fill", self.muted),
            (".amount", "fill", self.muted),
            (".grid", "stroke", self.grid),
            (".axis", "stroke", self.axis),
            (".rest", "fill", self.rest),
        ] {
            rules.push_str(&format!(".vault-usage {name}{{{what}:{color}}}\n"));
        }
        for (at, color) in self.series.iter().enumerate() {
            rules.push_str(&format!(".vault-usage .s{at}{{fill:{color}}}\n"));
        }
        rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Color = [f64; 3];

    /// How colours look to those who lack one kind of cone (Machado,
    /// Oliveira, Fernandes 2009), and to everybody else.
    const EYES: [(&str, [Color; 3]); 4] = [
        (
            "all cones",
            [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        ),
        (
            "no long ones",
            [
                [0.152_286, 1.052_583, -0.204_868],
                [0.114_503, 0.786_281, 0.099_216],
                [-0.003_882, -0.048_116, 1.051_998],
            ],
        ),
        (
            "no middle ones",
            [
                [0.367_322, 0.860_646, -0.227_968],
                [0.280_085, 0.672_501, 0.047_413],
                [-0.011_820, 0.042_940, 0.968_881],
            ],
        ),
        (
            "no short ones",
            [
                [1.255_528, -0.076_749, -0.178_779],
                [-0.078_411, 0.930_809, 0.147_602],
                [0.004_733, 0.691_367, 0.303_900],
            ],
        ),
    ];

    fn linear(hex: &str) -> Color {
        [1, 3, 5].map(|at| {
            let part = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
            match part <= 0.04045 {
                true => part / 12.92,
                false => ((part + 0.055) / 1.055).powf(2.4),
            }
        })
    }

    fn times(matrix: &[Color; 3], color: Color) -> Color {
        let row = |row: &Color| row.iter().zip(color).map(|(a, b)| a * b).sum();
        [row(&matrix[0]), row(&matrix[1]), row(&matrix[2])]
    }

    /// OKLab, in which distances are about what is seen.
    fn seen(color: Color) -> Color {
        let to_cones = [
            [0.412_221_470_8, 0.536_332_536_3, 0.051_445_992_9],
            [0.211_903_498_2, 0.680_699_545_1, 0.107_396_956_6],
            [0.088_302_461_9, 0.281_718_837_6, 0.629_978_700_5],
        ];
        let to_lab = [
            [0.210_454_255_3, 0.793_617_785_0, -0.004_072_046_8],
            [1.977_998_495_1, -2.428_592_205_0, 0.450_593_709_9],
            [0.025_904_037_1, 0.782_771_766_2, -0.808_675_766_0],
        ];
        let color = color.map(|part: f64| part.clamp(0.0, 1.0));
        times(&to_lab, times(&to_cones, color).map(f64::cbrt))
    }

    fn distance(eyes: &[Color; 3], a: &str, b: &str) -> f64 {
        let look = |hex| seen(times(eyes, linear(hex)));
        let parts = look(a).into_iter().zip(look(b));
        100.0 * parts.map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    }

    fn contrast(a: &str, b: &str) -> f64 {
        let light = |hex| {
            let [red, green, blue] = linear(hex);
            0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05
        };
        let (a, b): (f64, f64) = (light(a), light(b));
        a.max(b) / a.min(b)
    }

    #[test]
    fn everybody_tells_the_colours_apart() {
        for theme in [&LIGHT, &DARK] {
            let mut colors = theme.series.to_vec();
            colors.push(theme.rest);
            for (name, eyes) in &EYES {
                for (at, one) in colors.iter().enumerate() {
                    for other in &colors[..at] {
                        let far = distance(eyes, one, other);
                        assert!(far > 8.0, "{one} and {other} with {name}: {far}");
                    }
                }
            }
        }
    }

    #[test]
    fn everything_stands_out_from_the_page() {
        for theme in [&LIGHT, &DARK] {
            for color in theme.series.iter().chain([&theme.rest]) {
                assert!(contrast(color, theme.page) > 1.8, "{color}");
            }
            assert!(contrast(theme.text, theme.page) > 7.0);
            assert!(contrast(theme.muted, theme.page) > 4.5);
        }
    }
}
