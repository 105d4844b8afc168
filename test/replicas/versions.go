package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"federation-agent/internal/store"
	journal "federation-agent/internal/table"
	"federation-agent/test/process"
)

// The programs of the next two versions. They are made of this one, by the rule of internal/store/tablestore: what the
// version after the next one writes can be read by the next one.
const (
	nextVersion  = "federation-agent-next"
	afterVersion = "federation-agent-after"
)

// The next version writes an attribute more in each key's record, and in what the table says of itself. It reads a new
// state, which is as good as `delivered`, and does not write it.
func nextEdits() []process.Edit {
	const keysFile, metaFile = "internal/store/tablestore/keys.go", "internal/store/tablestore/meta.go"
	return []process.Edit{
		{File: metaFile, From: "\tschema = 1\n", To: "\tschema = 2\n"},
		{
			File: metaFile, From: "\t\tattributeSchema: table.Number(m.schema),",
			To: "\t\t\"" + newAttribute + "\": table.Text(\"red\"), attributeSchema: table.Number(m.schema),",
		},
		{
			File: keysFile, From: "\ttext(\"api\", func(r *keys.Record) *string { return &r.APIID }),\n",
			To: "\ttext(\"api\", func(r *keys.Record) *string { return &r.APIID }),\n" +
				"\t{\n\t\tname:  \"" + newAttribute + "\",\n" +
				"\t\twrite: func(keys.Record) (table.Value, bool) { return table.Text(\"red\"), true },\n" +
				"\t\tread:  func(*keys.Record, table.Value) {},\n\t},\n",
		},
		{
			File: keysFile, From: "\ttext(fieldState, func(r *keys.Record) *string { return (*string)(&r.State) }),\n",
			To: "\t{\n\t\tname:  fieldState,\n" +
				"\t\twrite: func(r keys.Record) (table.Value, bool) { return table.Text(string(r.State)), true },\n" +
				"\t\tread: func(r *keys.Record, v table.Value) {\n" +
				"\t\t\tif r.State = keys.State(v.Text()); r.State == \"" + newState + "\" {\n" +
				"\t\t\t\tr.State = keys.Delivered\n\t\t\t}\n\t\t},\n\t},\n",
		},
		{
			File: keysFile, From: "\t\tif !keys.State(value.Text()).Valid() {",
			To: "\t\tif value.Text() != \"" + newState + "\" && !keys.State(value.Text()).Valid() {",
		},
	}
}

// The one after it writes the new state for every other record, and lets nobody write who cannot read it.
func afterEdits() []process.Edit {
	edits := nextEdits()
	edits[0].To = "\tschema = 3\n"
	for n := range edits {
		edits[n].To = strings.Replace(edits[n].To,
			"func(r keys.Record) (table.Value, bool) { return table.Text(string(r.State)), true }",
			"func(r keys.Record) (table.Value, bool) {\n\t\t\tif r.State == keys.Delivered && r.ID[len(r.ID)-1]%2 == 0 {\n"+
				"\t\t\t\treturn table.Text(\""+newState+"\"), true\n\t\t\t}\n\t\t\treturn table.Text(string(r.State)), true\n\t\t}", 1)
	}
	return append(edits, process.Edit{File: edits[0].File, From: "\toldest = 1\n", To: "\toldest = 2\n"})
}

const (
	newAttribute = "colour"
	newState     = "proved"
	// endedUnfit is the exit code of an agent whose table it may not write to.
	endedUnfit = 2
)

// damage is what no agent may say of what a neighbour wrote.
var damage = regexp.MustCompile(`(?i)[^\n]*(damag|newer version|panic)[^\n]*`)

// measureVersions updates two agents to the next version and back, and so on, among everything that users do. While two
// versions serve, one of them is killed, so that the other takes over what it had.
func measureVersions(ctx context.Context, r *rig) ([]*figures, error) {
	err := errors.Join(r.edited(ctx, nextVersion, nextEdits()), r.edited(ctx, afterVersion, afterEdits()))
	if err != nil {
		return nil, err
	}
	f := &figures{title: "Two agents of neighbouring versions on one table, both ways"}
	first := r.started.Load()
	p, err := newPair(ctx, r)
	if err != nil {
		return nil, err
	}
	defer p.close()
	t := p.begin(ctx, busyGap)
	t.lookAndEnd()
	t.ingestAll()
	ways := [][2]string{
		{thisVersion, nextVersion}, {nextVersion, thisVersion}, {thisVersion, nextVersion}, {nextVersion, afterVersion},
		{afterVersion, nextVersion},
	}
	for _, way := range ways {
		if err := p.update(ctx, f, t, way[0], way[1]); err != nil {
			return nil, errors.Join(fmt.Errorf("from %s to %s: %w", way[0], way[1], err), t.end())
		}
	}
	if err := t.end(); err != nil {
		return nil, err
	}
	t.tell(f)
	took, err := p.settle(ctx)
	if err != nil {
		return nil, err
	}
	f.tell("from the last fault to nothing being left to do", took.Round(time.Second).String())
	if err := p.tooOld(ctx); err != nil {
		return nil, err
	}
	f.tell("the first version, which cannot read what the last one wrote", "ends at its start, and says why")
	err = p.count(ctx, f)
	said, failed := r.damageSince(first)
	f.none("lines of the logs that call something damaged", said)
	return []*figures{f}, errors.Join(err, failed)
}

// edited builds a program more into the agents' root.
func (r *rig) edited(ctx context.Context, name string, edits []process.Edit) error {
	return errors.Join(os.Chmod(r.root, 0o755), process.BuildEdited(ctx, r.root, name, edits), os.Chmod(r.root, 0o555))
}

// update replaces both agents one after the other, and has both versions serve between.
func (p *pair) update(ctx context.Context, f *figures, t *traffic, from, to string) error {
	before, err := p.table.copy(ctx)
	if err != nil {
		return err
	}
	if _, err := p.replace(ctx, 0, to); err != nil {
		return err
	}
	beside := pick(p.rig, 20*time.Second, 2*time.Second)
	if err := process.Sleep(ctx, beside); err != nil {
		return err
	}
	took, err := p.killAndReplace(ctx, t, 0)
	if err != nil {
		return err
	}
	f.tell(fmt.Sprintf("%s beside %s: kill -9 of the one that is sent commands: time to the next accepted SUBSCRIBE", to, from),
		short(took))
	if err := process.Sleep(ctx, beside); err != nil {
		return err
	}
	for n, a := range p.agents {
		if a.program == from {
			if _, err := p.replace(ctx, n, to); err != nil {
				return err
			}
		}
	}
	if err := process.Sleep(ctx, beside); err != nil {
		return err
	}
	after, err := p.table.copy(ctx)
	if err != nil {
		return err
	}
	kept, lost := compareNews(before, after)
	f.none(fmt.Sprintf("of %d additions by a newer version that were there before %s took over from %s, and whose records still "+
		"are: lost", kept, to, from), lost)
	return nil
}

// compareNews counts what a newer version wrote in one copy, of the records that are in another one too, and says what of
// it is not there. A new state may only have become another one by a later step of the key's.
func compareNews(before, after items) (kept int, lost []string) {
	now := map[string]map[string]types.AttributeValue{}
	for _, item := range after {
		now[sortKeyOf(item)] = item
	}
	for _, item := range before {
		then := now[sortKeyOf(item)]
		for name, value := range item {
			record, isNew := strings.CutSuffix(name, newAttribute)
			if text(value) == newState {
				record, isNew = strings.CutSuffix(name, "state")
			}
			if _, there := then[record+"state"]; !isNew || record != "" && !there {
				continue
			}
			kept++
			if is := text(then[name]); is != text(value) && is != "deleting" && is != "unconfirmed" {
				lost = append(lost, fmt.Sprintf("%s %s: %q", sortKeyOf(item), name, is))
			}
		}
	}
	slices.Sort(lost)
	return kept, lost
}

func sortKeyOf(item map[string]types.AttributeValue) string { return text(item[journal.SortKey]) }

func text(value types.AttributeValue) string {
	s, _ := value.(*types.AttributeValueMemberS)
	if s == nil {
		return ""
	}
	return s.Value
}

// tooOld starts the first version, which must end and say that the table is a newer version's.
func (p *pair) tooOld(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, process.Patience)
	defer cancel()
	a, err := process.Start(p.command(p.spec(thisVersion), p.agents[0].wire, "run"))
	if err != nil {
		return err
	}
	if err := a.Wait(ctx); !a.Ended() {
		return errors.Join(err, a.Kill())
	}
	if a.ExitCode() != endedUnfit || !strings.Contains(a.Stderr.String(), store.ErrNewer.Error()) {
		return fmt.Errorf("an agent that is too old ended with %d, and wrote:\n%s", a.ExitCode(), a.Stderr.String())
	}
	return nil
}

// damageSince are the lines of the logs, of agents that began since so many had, that call something damaged.
func (r *rig) damageSince(first int64) (found []string, err error) {
	for n := first + 1; n <= r.started.Load(); n++ {
		log, err := os.ReadFile(filepath.Join(r.dir, nameOfAgent(n)+".log"))
		if err != nil {
			return nil, err
		}
		found = append(found, damage.FindAllString(string(log), -1)...)
	}
	return found, nil
}
