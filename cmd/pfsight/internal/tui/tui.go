package tui

import (
	"context"
	"errors"
	"io"
	"time"

	tea "charm.land/bubbletea/v2"

	"pfsight/cmd/pfsight/internal/livestate"
	"pfsight/cmd/pfsight/internal/terminal"
	"pfsight/report"
	"pfsight/report/render"
	"pfsight/report/secrecy"
)

// every is the time between two updates of the screen.
const every = time.Second

// maxRows is how many rows of a list can be scrolled through.
const maxRows = 200

// Run shows st on a terminal until the user quits or ctx ends; neither is an
// error. in and out are the terminal. The caller handles signals; the terminal
// sends none for its keys: ^C quits like q.
func Run(ctx context.Context, st *livestate.State, in io.Reader, out io.Writer) error {
	m := newModel(st)
	m.ascii = !terminal.UTF8()
	_, err := tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out), tea.WithoutSignalHandler(), tea.WithFPS(20)).Run()
	if errors.Is(err, tea.ErrProgramKilled) && ctx.Err() != nil {
		return nil
	}
	return err
}

// A listID is one of the lists in the lower part of the screen.
type listID int

const (
	listNo listID = iota
	listServers
	listNewest
	numLists
)

var listTitles = [numLists]string{"Not forward secret", "Servers without", "All connections"}

// A model is the state of the screen.
type model struct {
	st            *livestate.State
	width, height int
	paused, help  bool
	ascii         bool // the terminal shows ASCII only
	list          listID
	top           [numLists]int // first row shown

	live    *render.Live
	summary *report.Summary
	no, all []*report.Connection
	servers []report.Server
}

type tick struct{}

func newModel(st *livestate.State) *model {
	m := &model{st: st, width: 80, height: 24}
	m.refresh()
	return m
}

// refresh reads the state.
func (m *model) refresh() {
	m.summary, m.live = m.st.Look()
	m.no, _ = m.st.Newest(maxRows, func(c *report.Connection) bool { return c.ForwardSecrecy == secrecy.No })
	m.all, _ = m.st.Newest(maxRows, nil)
	m.servers = m.servers[:0]
	for i := range m.summary.Servers {
		v := &m.summary.Servers[i]
		if v.Verdicts[secrecy.No]+v.Verdicts[secrecy.Conditional] > 0 && len(m.servers) < maxRows {
			m.servers = append(m.servers, *v)
		}
	}
}

// Init implements tea.Model.
func (m *model) Init() tea.Cmd { return next() }

func next() tea.Cmd {
	return tea.Tick(every, func(time.Time) tea.Msg { return tick{} })
}

// Update implements tea.Model.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tick:
		if !m.paused {
			m.refresh()
		}
		return m, next()
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		return m, m.key(msg.String())
	}
	return m, nil
}

// key handles a key.
func (m *model) key(k string) tea.Cmd {
	if m.help && k != "q" && k != "ctrl+c" {
		m.help = false
		return nil
	}
	page := max(m.rows()-1, 1)
	switch k {
	case "q", "ctrl+c":
		return tea.Quit
	case "?", "h":
		m.help = true
	case "p", "space":
		if m.paused = !m.paused; !m.paused {
			m.refresh()
		}
	case "tab", "right", "l":
		m.list = (m.list + 1) % numLists
	case "shift+tab", "left":
		m.list = (m.list + numLists - 1) % numLists
	case "1", "2", "3":
		m.list = listID(k[0] - '1')
	case "down", "j":
		m.scroll(1)
	case "up", "k":
		m.scroll(-1)
	case "pgdown":
		m.scroll(page)
	case "pgup":
		m.scroll(-page)
	case "home", "g":
		m.scroll(-maxRows)
	case "end", "G":
		m.scroll(maxRows)
	}
	return nil
}

func (m *model) scroll(by int) {
	m.top[m.list] = max(0, min(m.top[m.list]+by, m.length()-m.rows()))
}

// length returns the number of rows of the list.
func (m *model) length() int {
	switch m.list {
	case listNo:
		return len(m.no)
	case listServers:
		return len(m.servers)
	}
	return len(m.all)
}
