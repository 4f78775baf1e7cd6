package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usher-id/usher/password"
)

func hashCreateCommand(a *app) *cobra.Command {
	var flags hashFlags
	var hasher string
	var given []string
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Hash a password anew",
		Long: `Hash the password on standard input with a random salt. A line end behind the password is not part of it.

Hashers: ` + strings.Join(password.Hashers(), ", ") + `. Their costs are stated by --param, as identify shows them: memory is in KiB,
cost is the logarithm to base 2 of bcrypt's rounds.`,
		Example: `  usher hash create < password.txt
  usher hash create --hasher bcrypt --param cost=12 < password.txt`,
		Args: arguments(0, 0, "no argument: the password is read from standard input"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkHasher(hasher); err != nil {
				return err
			}
			params, err := hasherParams(cmd.Context(), hasher, given)
			if err != nil {
				return err
			}
			if flags.file != "" {
				return a.answerLines(cmd.Context(), flags.file, func(ctx context.Context, q question) (any, bool, error) {
					if !q.hasPassword {
						return nil, false, errors.New(`the line needs "password" or "password_hex"`)
					}
					c, err := create(ctx, hasher, q.password, params)
					return c, err == nil, err
				})
			}
			secret, err := a.readPassword()
			if err != nil {
				return err
			}
			c, err := create(cmd.Context(), hasher, secret, params)
			if err != nil {
				return passwordUsage(err, "")
			}
			if a.json {
				return a.printJSON(c)
			}
			_, err = fmt.Fprintln(a.stdout, c.Encoded)
			return err
		},
	}
	cmd.Flags().StringVar(&hasher, "hasher", password.DefaultHasher, "one of "+strings.Join(password.Hashers(), ", "))
	cmd.Flags().StringArrayVar(&given, "param", nil, "NAME=NUMBER, a cost of the hasher (repeatable)")
	_ = cmd.RegisterFlagCompletionFunc("hasher", a.completed(password.Hashers))
	flags.fileFlag(cmd, `{"password"|"password_hex"}`)
	return cmd
}

// created is the JSON form of a new hash.
type created struct {
	Encoded string `json:"encoded"`
	Format  string `json:"format"`
}

func create(ctx context.Context, hasher string, secret []byte, params password.Params) (created, error) {
	encoded, err := password.Create(ctx, hasher, secret, params)
	if err != nil {
		return created{}, err
	}
	h, err := password.ParseStored(encoded)
	return created{encoded, h.Format}, err
}

// hasherParams reads NAME=NUMBER pairs. What the hasher does not have or does not take is refused before there is a password: one hash
// is made to find out.
func hasherParams(ctx context.Context, hasher string, given []string) (password.Params, error) {
	var params password.Params
	if len(given) == 0 {
		return params, nil
	}
	refuse := func(format string, args ...any) (password.Params, error) {
		return params, &usageError{password.CodeBadParams, fmt.Sprintf(format, args...), ""}
	}
	numbers := map[string]int{}
	for _, pair := range given {
		name, digits, _ := strings.Cut(pair, "=")
		n, err := strconv.Atoi(digits)
		if err != nil || n < 1 {
			return refuse("--param takes NAME=NUMBER with a whole number from 1, not %q", pair)
		}
		numbers[name] = n
	}
	text, err := json.Marshal(numbers)
	if err != nil {
		return params, err
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	unknown := decoder.Decode(&params) != nil
	if unknown {
		params = password.Params{}
	}
	c, err := create(ctx, hasher, []byte("trial"), params)
	if err != nil {
		return params, passwordUsage(err, "")
	}
	h, err := password.ParseStored(c.Encoded)
	if err != nil {
		return params, err
	}
	has, err := paramNumbers(h.Params)
	if err != nil {
		return params, err
	}
	for name, n := range numbers {
		if has[name] != n {
			return refuse("%s has no parameter %s that can be %d; it has %s", hasher, name, n, strings.Join(slices.Sorted(maps.Keys(has)), ", "))
		}
	}
	return params, nil
}

// paramNumbers gives the costs of a hash by their JSON names.
func paramNumbers(p password.Params) (map[string]int, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	var all map[string]any
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	numbers := map[string]int{}
	for name, v := range all {
		if n, ok := v.(float64); ok && name != "version" && name != "salt_bytes" {
			numbers[name] = int(n)
		}
	}
	return numbers, nil
}
