package main

import (
	"context"
	"errors"
	"io"
	"time"

	tea "charm.land/bubbletea/v2"

	"pfsight/report"
	"pfsight/report/render"
	"pfsight/report/secrecy"
)

// tuiEvery is the time between two pictures.
const tuiEvery = time.Second

// tuiRows is how many rows of a list are held to scroll through.
const tuiRows = 200

// runTUI shows st on a terminal until the user quits or ctx ends; neither is
// an error. in and out are the terminal. Signals are left to the caller, but
// the terminal sends none of the keys': ^C quits like q.
func runTUI(ctx context.Context, st *liveState, in io.Reader, out io.Writer) error {
	m := &tuiModel{st: st, width: 80, height: 24, ascii: !utf8Locale()}
	m.look()
	_, err := tea.NewProgram(m, tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out), tea.WithoutSignalHandler(), tea.WithFPS(20)).Run()
	if errors.Is(err, tea.ErrProgramKilled) && ctx.Err() != nil {
		return nil
	}
	return err
}

// A tuiList is one of the lists that share the lower part of the screen.
type tuiList int

const (
	listNo tuiList = iota
	listServers
	listNewest
	numLists
)

var listTitles = [numLists]string{"Not forward secret", "Servers without", "All connections"}

// A tuiModel is what the terminal shows.
type tuiModel struct {
	st            *liveState
	width, height int
	paused, help  bool
	ascii         bool // the terminal shows no more
	list          tuiList
	top           [numLists]int // first row shown

	live    *render.Live
	summary *report.Summary
	no, all []*report.Connection
	servers []report.Server
}

type tuiTick struct{}

// look takes a new picture.
func (m *tuiModel) look() {
	m.summary, m.live = m.st.look()
	m.no, _ = m.st.newest(tuiRows, func(c *report.Connection) bool { return c.ForwardSecrecy == secrecy.No })
	m.all, _ = m.st.newest(tuiRows, nil)
	m.servers = m.servers[:0]
	for i := range m.summary.Servers {
		v := &m.summary.Servers[i]
		if v.Verdicts[secrecy.No]+v.Verdicts[secrecy.Conditional] > 0 && len(m.servers) < tuiRows {
			m.servers = append(m.servers, *v)
		}
	}
}

// Init implements tea.Model.
func (m *tuiModel) Init() tea.Cmd { return tuiNext() }

func tuiNext() tea.Cmd {
	return tea.Tick(tuiEvery, func(time.Time) tea.Msg { return tuiTick{} })
}

// Update implements tea.Model.
func (m *tuiModel) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tuiTick:
		if !m.paused {
			m.look()
		}
		return m, tuiNext()
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		return m, m.key(msg.String())
	}
	return m, nil
}

// key does what a key asks for.
func (m *tuiModel) key(k string) tea.Cmd {
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
			m.look()
		}
	case "tab", "right", "l":
		m.list = (m.list + 1) % numLists
	case "shift+tab", "left":
		m.list = (m.list + numLists - 1) % numLists
	case "1", "2", "3":
		m.list = tuiList(k[0] - '1')
	case "down", "j":
		m.scroll(1)
	case "up", "k":
		m.scroll(-1)
	case "pgdown":
		m.scroll(page)
	case "pgup":
		m.scroll(-page)
	case "home", "g":
		m.scroll(-tuiRows)
	case "end", "G":
		m.scroll(tuiRows)
	}
	return nil
}

func (m *tuiModel) scroll(by int) {
	m.top[m.list] = max(0, min(m.top[m.list]+by, m.length()-m.rows()))
}

// length is how many rows the list has.
func (m *tuiModel) length() int {
	switch m.list {
	case listNo:
		return len(m.no)
	case listServers:
		return len(m.servers)
	}
	return len(m.all)
}
