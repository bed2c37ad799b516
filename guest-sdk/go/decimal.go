package saga

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// Digits before and behind the point together, as in the SDKs of the other languages.
const decimalDigitsMax = 38

// Decimal is an exact decimal number for money: 0.1 + 0.2 is 0.3, and 12.10 stays 12.10. Its zero value is 0.
//
// It reads a JSON number (12.10, 1e3) or a text with one in it ("12.10"), and writes a JSON number. Compare with Cmp:
// 1.0 and 1.00 are equal by value.
type Decimal struct {
	// The number times ten to the power of scale; never changed once it is set. nil is 0.
	units *big.Int
	scale int
}

// NewDecimal makes an amount of its smallest unit: 1210 with scale 2 is 12.10.
func NewDecimal(units int64, scale int) Decimal {
	return Decimal{big.NewInt(units), max(scale, 0)}
}

// ParseDecimal reads a decimal number of at most 38 digits.
func ParseDecimal(text string) (Decimal, error) {
	refused := fmt.Errorf("%.64q is not a decimal number of at most %d digits", text, decimalDigitsMax)
	digits, exponentText, hasExponent := strings.Cut(strings.ToLower(text), "e")
	exponent := 0
	if hasExponent {
		number, err := strconv.ParseInt(exponentText, 10, 16)
		if err != nil {
			return Decimal{}, refused
		}
		exponent = int(number)
	}
	whole, fraction, hasPoint := strings.Cut(strings.TrimPrefix(digits, "-"), ".")
	all := whole + fraction
	if whole == "" || hasPoint && fraction == "" || strings.Trim(all, "0123456789") != "" {
		return Decimal{}, refused
	}
	scale := len(fraction) - exponent
	if scale < 0 {
		if -scale > decimalDigitsMax {
			return Decimal{}, refused
		}
		all, scale = all+strings.Repeat("0", -scale), 0
	}
	if len(strings.TrimLeft(all, "0")) > decimalDigitsMax || scale > decimalDigitsMax {
		return Decimal{}, refused
	}
	units, ok := new(big.Int).SetString(all, 10)
	if !ok {
		return Decimal{}, refused
	}
	if strings.HasPrefix(digits, "-") {
		units.Neg(units)
	}
	return Decimal{units, scale}, nil
}

// Add is the sum.
func (d Decimal) Add(other Decimal) Decimal {
	scale := max(d.scale, other.scale)
	return Decimal{new(big.Int).Add(d.at(scale), other.at(scale)), scale}
}

// Sub is the difference.
func (d Decimal) Sub(other Decimal) Decimal {
	scale := max(d.scale, other.scale)
	return Decimal{new(big.Int).Sub(d.at(scale), other.at(scale)), scale}
}

// Cmp compares by value: -1, 0 or 1.
func (d Decimal) Cmp(other Decimal) int {
	scale := max(d.scale, other.scale)
	return d.at(scale).Cmp(other.at(scale))
}

// Sign is -1, 0 or 1.
func (d Decimal) Sign() int { return d.at(d.scale).Sign() }

// String writes all digits.
func (d Decimal) String() string {
	units := d.at(d.scale)
	digits := new(big.Int).Abs(units).String()
	if d.scale > 0 {
		digits = strings.Repeat("0", max(d.scale+1-len(digits), 0)) + digits
		digits = digits[:len(digits)-d.scale] + "." + digits[len(digits)-d.scale:]
	}
	if units.Sign() < 0 {
		digits = "-" + digits
	}
	return digits
}

// MarshalJSON writes a number.
func (d Decimal) MarshalJSON() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalJSON reads a number, or a text with one in it.
func (d *Decimal) UnmarshalJSON(raw []byte) error {
	text := string(raw)
	if len(text) >= 2 && text[0] == '"' {
		text = text[1 : len(text)-1]
	}
	number, err := ParseDecimal(text)
	if err != nil {
		return err
	}
	*d = number
	return nil
}

func (d Decimal) at(scale int) *big.Int {
	if d.units == nil {
		return new(big.Int)
	}
	if scale == d.scale {
		return d.units
	}
	factor := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale-d.scale)), nil)
	return factor.Mul(factor, d.units)
}
