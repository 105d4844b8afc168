package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"federation-agent/internal/dynamodb"
	"federation-agent/internal/federation"
	"federation-agent/internal/keys"
	"federation-agent/internal/sandbox/apimsim"
	"federation-agent/internal/store"
	"federation-agent/internal/store/tablestore"
	journal "federation-agent/internal/table"
	"federation-agent/test/interop/moto"
	"federation-agent/test/process"
)

const (
	// backupAge is how old the records of the restored table are.
	backupAge = time.Hour
	// underWay SUBSCRIBEs begin one after the other just before the backup, so that it has keys in each state.
	underWay = 30
	apart    = 25 * time.Millisecond
	// noticedWithin is how long each agent may take to see that the table was restored, or accepted: it looks at the table
	// once a minute.
	noticedWithin = 90 * time.Second

	nodeUser, nodePassword = "rig", "any-password-will-do"
	// restoredText is what health and log say of it.
	restoredText = "table was restored or copied from another one"
)

// measureRestored puts a backup of the table in its place, under two agents that run.
func measureRestored(ctx context.Context, r *rig) ([]*figures, error) {
	since, away := pick(r, 3*time.Minute, 15*time.Second), pick(r, time.Minute, 12*time.Second)
	f := &figures{title: fmt.Sprintf("A table that is restored under two agents: %s old, away for %s", backupAge, away)}
	p, err := newPair(ctx, r)
	if err != nil {
		return nil, err
	}
	defer p.close()
	t := p.begin(ctx, busyGap)
	t.lookAndEnd()
	err = process.Sleep(ctx, pick(r, time.Minute, 5*time.Second))
	for n := 0; n < underWay && err == nil; n++ {
		t.all.Go(func() { t.subscribe(n) })
		err = process.Sleep(ctx, apart)
	}
	backup, failed := p.table.copy(ctx)
	if err == nil && failed == nil {
		err = process.Sleep(ctx, since)
	}
	if err != nil || failed != nil {
		return nil, errors.Join(err, failed, t.end())
	}
	fresh, unsettled, err := restore(ctx, backup, backupAge-since)
	if err != nil {
		return nil, errors.Join(err, t.end())
	}
	defer func() { _ = fresh.Close() }()
	err = p.table.become("")
	err = errors.Join(err, process.Sleep(ctx, away), p.table.become(fresh.URL))
	if err == nil {
		err = p.live(ctx, f, t)
	}
	if err = errors.Join(err, t.end()); err != nil {
		return []*figures{f}, err
	}
	t.tell(f)
	return []*figures{f}, p.judgeRestored(ctx, f, unsettled)
}

// live sees how the agents go on with the restored table, until an operator has accepted it, and after.
func (p *pair) live(ctx context.Context, f *figures, t *traffic) error {
	took, err := t.next(ctx, time.Now(), nextWithin)
	if err != nil {
		return err
	}
	f.tell("from the table's being back to the next accepted SUBSCRIBE", short(took))
	took, err = p.healthSays(ctx, true)
	if err != nil {
		return err
	}
	f.tell("from then until health of both agents says that the table was restored", short(took))
	logged := 0
	for _, a := range p.agents {
		logged += strings.Count(a.Stderr.String(), restoredText)
	}
	f.judge("lines of their logs that say so", fmt.Sprint(logged), "1 or 2", logged == 1 || logged == 2)
	_, err = p.Users.APIM.Ingest(ctx, jobWithin, integration)
	if err != nil {
		return fmt.Errorf("an ingest of everything with the restored table: %w", err)
	}
	cmd := p.command(p.spec(thisVersion), p.agents[0].wire, "store", "accept-restore", "--yes")
	said, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("federation-agent store accept-restore --yes: %w\n%s", err, said)
	}
	if took, err = p.healthSays(ctx, false); err != nil {
		return err
	}
	f.tell("from federation-agent store accept-restore --yes until health of both agents says it no longer", short(took))
	return process.Sleep(ctx, pick(p.rig, 30*time.Second, 5*time.Second))
}

// healthSays waits until the health of both agents says that the table was restored, or says it no longer.
func (p *pair) healthSays(ctx context.Context, restored bool) (time.Duration, error) {
	began := time.Now()
	for _, a := range p.agents {
		err := process.Await(ctx, noticedWithin, a.name+"'s health", func(ctx context.Context) (bool, error) {
			probes, err := a.health(ctx)
			return strings.Contains(probes["store"].Message, restoredText) == restored, err
		})
		if err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
}

// health asks an agent's node API.
func (a *agent) health(ctx context.Context) (map[string]struct{ Message string }, error) {
	line, err := a.Await(ctx, &a.Stderr, "the node API is served", "address=")
	if err != nil {
		return nil, err
	}
	_, address, _ := strings.Cut(strings.TrimSpace(line), "address=")
	return process.Ask[map[string]struct{ Message string }](ctx, http.MethodGet,
		"http://"+nodeUser+":"+nodePassword+"@"+address+"/_node/health?probes=store", nil)
}

// judgeRestored ends both agents, and holds the keys in AWS and the lists against APIM.
func (p *pair) judgeRestored(ctx context.Context, f *figures, unsettled []keys.Record) error {
	if _, err := p.settle(ctx); err != nil {
		return err
	}
	if err := p.stopBoth(); err != nil {
		return err
	}
	records, err := p.records(ctx)
	if err != nil {
		return err
	}
	subscriptions, err := p.Users.APIM.Subscriptions(ctx)
	if err != nil {
		return err
	}
	inAWS, err := process.Keys(ctx, p.AWS)
	if err != nil {
		return err
	}
	attached, of, listed := map[string]bool{}, map[string]apimsim.SubscriptionView{}, map[string]keys.Record{}
	for _, k := range inAWS {
		attached[k.ID] = len(k.Plans) > 0
	}
	var lost []string
	for _, s := range subscriptions {
		of[s.ID] = s
		if s.Status == apimsim.SubscriptionAccepted && !attached[s.Metadata[federation.MetadataKeyID]] {
			lost = append(lost, s.ID)
		}
	}
	f.none("accepted subscriptions, also of the last hour, whose key is gone or detached", lost)
	for _, r := range records {
		listed[r.ID] = r
	}
	var silent, states []string
	ended := 0
	for _, u := range unsettled {
		states = append(states, string(u.State))
		r := listed[u.ID]
		switch {
		case (r.State == keys.Unconfirmed || r.State == keys.LostCreate) && strings.Contains(r.Reason, "from a restored table"):
		case of[u.SubscriptionID].Status == apimsim.SubscriptionClosed:
			ended++
		default:
			silent = append(silent, fmt.Sprintf("%s: %s, now %s (%s)", u.SubscriptionID, u.State, r.State, r.Reason))
		}
	}
	f.judge("keys that were not settled in the backup (their subscription has ended since)",
		fmt.Sprintf("%d (%d): %s", len(unsettled), ended, tally(states)), "5 or more", len(unsettled) >= 5)
	f.none("of these, neither ended nor listed with the reason \"from a restored table\"", silent)
	// A key that was taken away since the backup stays listed; the count is of those that are there.
	there := records[:0:0]
	for _, r := range records {
		if _, is := attached[r.KeyID]; is || r.State != keys.Unconfirmed {
			there = append(there, r)
		}
	}
	f.tell("listed keys that are gone since the backup", fmt.Sprint(len(records)-len(there)))
	c, err := p.Users.Count(ctx, p.AWS, there)
	if err != nil {
		return err
	}
	return f.count(c)
}

// tally counts equal words.
func tally(words []string) string {
	counts := map[string]int{}
	for _, word := range words {
		counts[word]++
	}
	var all []string
	for _, word := range slices.Sorted(maps.Keys(counts)) {
		all = append(all, fmt.Sprintf("%d %s", counts[word], word))
	}
	return strings.Join(all, ", ")
}

// restore makes a table of a backup, as DynamoDB does: a new one. Its instants are set back, so that the backup is older
// than it is. Unsettled are the records of keys that are being made or deleted in it.
func restore(ctx context.Context, backup items, back time.Duration) (s *moto.Server, unsettled []keys.Record, err error) {
	if s, err = moto.Start(ctx); err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			_ = s.Close()
		}
	}()
	made := dynamodb.New(tableConfig(), s.URL, tableName)
	if err = made.Create(ctx); err != nil {
		return nil, nil, err
	}
	client := motoClient(s.URL)
	for _, item := range backup {
		for name, value := range item {
			if n, is := value.(*types.AttributeValueMemberN); is {
				item[name] = &types.AttributeValueMemberN{Value: setBack(name, n.Value, back)}
			}
		}
		if _, err = client.PutItem(ctx, &sdk.PutItemInput{TableName: aws.String(tableName), Item: item}); err != nil {
			return nil, nil, fmt.Errorf("restoring the table: %w", err)
		}
	}
	all, err := store.Records(ctx, tablestore.New(made, func() string { return "" }), store.Filter{}, false)
	for _, r := range all {
		if !settled(r.State) {
			unsettled = append(unsettled, r)
		}
	}
	return s, unsettled, err
}

// setBack sets a number back if it is an instant: nanoseconds since 1970, or the seconds of the time to live.
func setBack(name, number string, by time.Duration) string {
	const nanosecondsIn2001 = 1e18
	n, err := strconv.ParseInt(number, 10, 64)
	switch {
	case err != nil:
		return number
	case name == journal.Expires:
		n -= int64(by.Seconds())
	case n > nanosecondsIn2001:
		n -= by.Nanoseconds()
	}
	return strconv.FormatInt(n, 10)
}
