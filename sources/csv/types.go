package csvsource

import (
	"errors"
	"strings"
	"time"

	"github.com/usher-id/usher/value"
)

// convert reads a value that is not empty. Its error does not show the text.
type convert func(text string) (any, error)

var typeNames = []string{"string", "int", "number", "bool", "json", "time"}

var converters = map[string]convert{
	"string": nil,
	"int":    toInt,
	"number": toNumber,
	"bool":   toBool,
	"json":   toJSON,
	"time":   toTime,
}

func toInt(text string) (any, error) {
	digits := strings.TrimSpace(text)
	sign := ""
	switch digits[:min(1, len(digits))] {
	case "-":
		sign, digits = "-", digits[1:]
	case "+":
		digits = digits[1:]
	}
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return nil, errors.New("it is not a whole number")
	}
	digits = strings.TrimLeft(digits[:len(digits)-1], "0") + digits[len(digits)-1:]
	if digits == "0" {
		sign = ""
	}
	return value.ParseNumber(sign + digits), nil
}

func toNumber(text string) (any, error) {
	v, err := value.ParseJSON([]byte(text))
	if err != nil || value.Kind(v) != "number" {
		return nil, errors.New("it is not a number; write it as JSON does, such as -12.50 or 1e9")
	}
	return v, nil
}

func toBool(text string) (any, error) {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "true", "t", "yes", "y", "1", "是":
		return true, nil
	case "false", "f", "no", "n", "0", "否":
		return false, nil
	}
	return nil, errors.New("it is neither true nor false")
}

func toJSON(text string) (any, error) {
	v, err := value.ParseJSON([]byte(text))
	if err != nil {
		return nil, errors.New("it is not JSON: " + err.Error())
	}
	return v, nil
}

func toTime(text string) (any, error) {
	text = strings.TrimSpace(text)
	for _, layout := range []string{time.RFC3339Nano, time.DateTime, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	return nil, errors.New("it is not a time such as 2006-01-02T15:04:05+08:00")
}
