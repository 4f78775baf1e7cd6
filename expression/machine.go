package expression

import (
	"sync"

	"github.com/expr-lang/expr/vm"
	"github.com/usher-id/usher/value"
	"golang.org/x/text/cases"
	"golang.org/x/text/collate"
)

// machine is the state of one evaluation. The variables, parameters and let-bound names of an expression have fixed
// slots: no function can call itself, so that none is ever active twice.
type machine struct {
	slots    []any
	steps    int
	memory   int
	revealed bool // a secret was read as text since the running call began
	depth    int
	levels   int      // of the lists and objects being walked
	vms      []*vm.VM // one for each nesting of callbacks

	toLower, toUpper *cases.Caser
	collator         *collate.Collator
}

var machines = sync.Pool{New: func() any { return new(machine) }}

func (m *machine) bind(values []any, slots int) {
	if cap(m.slots) < slots {
		m.slots = make([]any, slots)
	}
	m.slots = m.slots[:slots]
	n := copy(m.slots, values)
	for i := n; i < slots; i++ {
		m.slots[i] = undefined
	}
}

// reset lets go of the record.
func (m *machine) reset() {
	clear(m.slots)
	m.steps, m.memory, m.depth, m.levels, m.revealed = 0, 0, 0, 0, false
}

func (m *machine) execute(code *vm.Program) (any, error) {
	if m.depth == len(m.vms) {
		m.vms = append(m.vms, new(vm.VM))
	}
	runner := m.vms[m.depth]
	m.depth++
	v, err := runner.Run(code, m)
	m.depth--
	return v, err
}

// step counts work: about one for an operation, for an element of an array, for 64 bytes of text.
func (m *machine) step(n int) {
	if m.steps += n; m.steps > MaxSteps || n < 0 {
		fail("expression.too_many_steps", "the evaluation took more than %d steps", MaxSteps)
	}
}

// grow counts bytes before they are built.
func (m *machine) grow(n int) {
	if m.memory += n; m.memory > MaxMemory || n < 0 {
		fail("expression.too_much_memory", "the evaluation built more than %d MiB", MaxMemory>>20)
	}
	m.step(n >> 6)
}

// enter and leave stand around what walks into a list or object. Values of a source are not that deep; an expression
// can nest them deeper than the stack.
func (m *machine) enter() {
	m.step(1)
	if m.levels++; m.levels > maxLevels {
		fail("expression.too_much_memory", "lists and objects are nested more than %d levels deep", maxLevels)
	}
}

func (m *machine) leave() { m.levels-- }

// maxLevels is above the depth that package value reads, 10 000.
const maxLevels = 20_000

// memberSize is about what a member of an object takes, in bytes.
const memberSize = 80

// list makes room for an array of n elements.
func (m *machine) list(n int) []any {
	m.grow(16 * n)
	return make([]any, 0, n)
}

// reveal reads a secret: the texts that the running call gives become secrets themselves.
func (m *machine) reveal(s value.Secret) string {
	m.revealed = true
	return s.Reveal()
}

// native is a function of the language.
type native func(m *machine, args []any) any

// call runs a function and keeps what it made of secrets secret.
func (m *machine) call(fn native, args []any) any {
	m.step(1)
	outer := m.revealed
	m.revealed = false
	v := fn(m, args)
	if m.revealed {
		v = m.conceal(v)
	} else {
		m.revealed = outer
	}
	return v
}

// conceal makes secrets of all texts in v.
func (m *machine) conceal(v any) any {
	m.enter()
	defer m.leave()
	switch v := v.(type) {
	case string:
		return value.Secret(v)
	case []any:
		list := m.list(len(v))
		for _, e := range v {
			list = append(list, m.conceal(e))
		}
		return list
	case *value.Object:
		m.grow(memberSize * v.Len())
		o := value.NewObject(v.Len())
		for name, e := range v.All() {
			o.Append(name, m.conceal(e))
		}
		return o
	}
	return v
}

// closure is a function as an argument: an arrow function or the name of a function.
type closure struct {
	params []int // slots
	rest   int   // slot of the rest parameter, or -1
	plain  *plain
	code   *vm.Program
	native native
}

// callback is a closure as a value; a struct, so that expr does not take it for a pointer to follow.
type callback struct{ *closure }

// invoke calls a function with up to three arguments.
func (m *machine) invoke(c callback, a, b, d any) any {
	if c.native == nil && c.rest < 0 && len(c.params) <= 3 {
		m.step(1)
		for i, slot := range c.params {
			switch i {
			case 0:
				m.slots[slot] = a
			case 1:
				m.slots[slot] = b
			case 2:
				m.slots[slot] = d
			}
		}
		return m.body(c)
	}
	return m.apply(c, []any{a, b, d})
}

// apply calls a function with any number of arguments.
func (m *machine) apply(c callback, args []any) any {
	if c.native != nil {
		return m.call(c.native, args)
	}
	m.step(1)
	for i, slot := range c.params {
		m.slots[slot] = arg(args, i)
	}
	if c.rest >= 0 {
		rest := []any{}
		if len(args) > len(c.params) {
			rest = args[len(c.params):]
		}
		m.slots[c.rest] = rest
	}
	return m.body(c)
}

func (m *machine) body(c callback) any {
	if c.plain != nil {
		return c.plain.eval(m.slots)
	}
	v, err := m.execute(c.code)
	if err != nil {
		panic(err)
	}
	return v
}

// arg gives the i-th argument, undefined where there is none.
func arg(args []any, i int) any {
	if i < len(args) {
		return args[i]
	}
	return undefined
}
