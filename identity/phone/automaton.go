package phone

import (
	"encoding/binary"
	"regexp/syntax"
	"slices"
)

// automaton runs a regular expression over decimal digits: for each state and digit it has the next state.
type automaton struct {
	next   [][10]uint16 // state 0 is dead, state 1 the start
	accept []bool       // what was read matches
	atEnd  []bool       // what was read matches if nothing follows
}

// maxStates bounds an automaton; the largest of the library's patterns needs some hundred states.
const maxStates = 20_000

// newAutomaton compiles a pattern that has to match from the start. It reports false for one that is more than digits,
// classes, repetitions, groups, alternatives and the end of the text.
func newAutomaton(text string) (*automaton, bool) {
	re, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, false
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return nil, false
	}
	b := builder{prog: prog, states: map[string]uint16{}}
	b.a.next = [][10]uint16{{}}
	b.a.accept, b.a.atEnd = []bool{false}, []bool{false}
	start, ok := b.closure([]uint32{uint32(prog.Start)})
	if !ok {
		return nil, false
	}
	b.state(start)
	for done := 1; done < len(b.a.next); done++ {
		set := b.sets[done-1]
		for digit := range 10 {
			var after []uint32
			for _, pc := range set {
				in := &prog.Inst[pc]
				if reads(in) && in.MatchRune(rune('0'+digit)) {
					after = append(after, in.Out)
				}
			}
			closed, ok := b.closure(after)
			if !ok || len(b.a.next) > maxStates {
				return nil, false
			}
			// state may move b.a.next: evaluate it first.
			n := b.state(closed)
			b.a.next[done][digit] = n
		}
	}
	return &b.a, true
}

type builder struct {
	prog   *syntax.Prog
	a      automaton
	states map[string]uint16
	sets   [][]uint32 // of state i+1: the instructions it waits at
}

func reads(in *syntax.Inst) bool { return in.Op != syntax.InstMatch && in.Op != syntax.InstEmptyWidth }

// closure gives the instructions that read a digit, match, or wait for the end, and that can be reached without reading
// a digit.
func (b *builder) closure(from []uint32) ([]uint32, bool) {
	seen := map[uint32]bool{}
	var waiting []uint32
	for len(from) > 0 {
		pc := from[len(from)-1]
		from = from[:len(from)-1]
		if seen[pc] {
			continue
		}
		seen[pc] = true
		switch in := &b.prog.Inst[pc]; in.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			from = append(from, in.Out, in.Arg)
		case syntax.InstCapture, syntax.InstNop:
			from = append(from, in.Out)
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL, syntax.InstMatch:
			waiting = append(waiting, pc)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(in.Arg)&^(syntax.EmptyEndText|syntax.EmptyEndLine) != 0 {
				return nil, false
			}
			waiting = append(waiting, pc)
		case syntax.InstFail:
		default:
			return nil, false
		}
	}
	slices.Sort(waiting)
	return waiting, true
}

func (b *builder) state(set []uint32) uint16 {
	if len(set) == 0 {
		return 0
	}
	name := make([]byte, 0, 4*len(set))
	for _, pc := range set {
		name = binary.BigEndian.AppendUint32(name, pc)
	}
	if n, ok := b.states[string(name)]; ok {
		return n
	}
	n := uint16(len(b.a.next))
	b.states[string(name)] = n
	b.sets = append(b.sets, set)
	b.a.next = append(b.a.next, [10]uint16{})
	matches := slices.ContainsFunc(set, b.matches)
	b.a.accept = append(b.a.accept, matches)
	b.a.atEnd = append(b.a.atEnd, matches || slices.ContainsFunc(set, func(pc uint32) bool {
		in := &b.prog.Inst[pc]
		return in.Op == syntax.InstEmptyWidth && b.matchesAt(in.Out)
	}))
	return n
}

func (b *builder) matches(pc uint32) bool { return b.prog.Inst[pc].Op == syntax.InstMatch }

// matchesAt reports whether a match can be reached from pc at the end of the text.
func (b *builder) matchesAt(pc uint32) bool {
	after, ok := b.closure([]uint32{pc})
	return ok && slices.ContainsFunc(after, b.matches)
}

// run reports whether the whole of number matches, and whether some beginning of it does.
func (a *automaton) run(number string) (whole, prefix bool) {
	state := uint16(1)
	for i := range len(number) {
		prefix = prefix || a.accept[state]
		if state = a.next[state][number[i]-'0']; state == 0 {
			return false, prefix
		}
	}
	return a.atEnd[state], prefix || a.atEnd[state]
}
