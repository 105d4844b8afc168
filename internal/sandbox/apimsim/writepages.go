package apimsim

import (
	"errors"
	"fmt"
	"slices"
)

// storePages imports SWAGGER and ASYNCAPI pages by file name. On an update, pages that are not sent
// any more are deleted first, and a null list fails after API and plans were written.
func (w *write) storePages() error {
	a := w.apim
	if !w.created {
		if w.in.pages == nil {
			return errors.New("pages is null")
		}
		names := map[string]bool{}
		for _, p := range w.in.pages {
			if p.filename != nil {
				names[*p.filename] = true
			}
		}
		a.mu.Lock()
		api := w.api
		api.Pages = slices.DeleteFunc(api.Pages, func(p Page) bool { return !names[p.Name] })
		a.mu.Unlock()
	}
	seen := map[string]bool{}
	for _, in := range w.in.pages {
		if in.kind != "SWAGGER" && in.kind != "ASYNCAPI" {
			a.problem(Problem{
				Code: ProblemPageSkipped, Integration: w.owner, Subject: w.subject,
				Detail: fmt.Sprintf("pages of type %q are not imported", in.kind),
			})
			continue
		}
		if in.filename == nil {
			return errors.New("filename of a page is null")
		}
		// 4.4 names pages itself: the agent cannot help their length.
		if err := a.fits("page name", *in.filename, maxPageName); err != nil && !a.features.legacy {
			return err
		}
		if seen[*in.filename] {
			return fmt.Errorf("page name %q occurs twice", *in.filename)
		}
		seen[*in.filename] = true
		w.storePage(newPage(*in.filename, in.kind, in.content, a.opts.DropPageContent))
	}
	return nil
}

func (w *write) storePage(page Page) {
	a := w.apim
	a.mu.Lock()
	defer a.mu.Unlock()
	api := w.api
	if i := slices.IndexFunc(api.Pages, func(p Page) bool { return p.Name == page.Name }); i >= 0 {
		api.Pages[i] = page
		return
	}
	api.Pages = append(api.Pages, page)
}

// saveMetadata adds and overwrites entries by their name; those left out stay for ever. All formats
// are looked at before anything is saved.
func (w *write) saveMetadata() error {
	a := w.apim
	for _, in := range w.in.metadata {
		if in.format == "" {
			return errors.New("format of a metadata entry is null")
		}
	}
	for _, in := range w.in.metadata {
		if in.name == nil {
			return errors.New("name of a metadata entry is null")
		}
		err := errors.Join(
			a.fits("metadata key", *in.name, maxMetadataKey),
			a.fits("metadata value", in.value, maxMetadataValue),
		)
		if err != nil {
			return err
		}
		entry := Metadata{Key: *in.name, Name: *in.name, Value: in.value, Format: in.format}
		a.mu.Lock()
		if api, ok := a.store.apis[w.id]; ok {
			if i := slices.IndexFunc(api.Metadata, func(m Metadata) bool { return m.Key == entry.Key }); i >= 0 {
				api.Metadata[i] = entry
			} else {
				api.Metadata = append(api.Metadata, entry)
			}
		}
		a.mu.Unlock()
	}
	return nil
}
