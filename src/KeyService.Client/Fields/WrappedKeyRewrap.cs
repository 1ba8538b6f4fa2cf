namespace KeyService.Client;

/// <summary>One walk through a table of wrapped keys.</summary>
internal sealed class WrappedKeyRewrap(WrappedKeyTable table, DataKeyCalls dataKeys)
{
    private readonly List<RewrapFailure> failures = [];
    private long seen;
    private long rewrapped;
    private long newest;

    public async Task<RewrapProgress> RunAsync(IProgress<RewrapProgress>? progress, CancellationToken cancellation)
    {
        var after = Array.Empty<byte>();
        while (await table.ReadPageAsync(after, cancellation).ConfigureAwait(false) is { Count: > 0 } page)
        {
            // What is no wrapped key's shape is refused by the service as a whole call: it is one failure here.
            var sound = page.Where(row => row.KeyVersion.Length > 0 && row.Id.Length == DataKeyScope.SubjectIdLength && Enum.IsDefined(row.Use)).ToList();
            failures.AddRange(page.Except(sound).Select(row => new RewrapFailure(row.Id, "DECRYPTION_FAILED")));
            seen += page.Count - sound.Count;
            if (sound.Count > 0)
            {
                await RewrapAsync(sound, cancellation).ConfigureAwait(false);
            }
            progress?.Report(Now());
            after = page[^1].Id.ToArray();
        }
        return Now();
    }

    private async Task RewrapAsync(List<WrappedKeyRow> rows, CancellationToken cancellation)
    {
        var results = await CallAsync(rows.Select(row => (row.Wrapped, row.Scope)), rows.Count, cancellation).ConfigureAwait(false);
        var changed = new List<(WrappedKeyRow Row, ReadOnlyMemory<byte> Wrapped)>();
        for (var i = 0; i < rows.Count; i++)
        {
            if (results[i].Rewrapped is { Changed: true } done)
            {
                changed.Add((rows[i], done.Wrapped));
            }
            else
            {
                Count(rows[i], results[i].Error);
            }
        }
        seen += rows.Count;
        if (changed.Count == 0)
        {
            return;
        }

        // The service opens what it is given to wrap: asking once more, with the new wrappings, proves that each opens before an old one goes.
        var proofs = await CallAsync(changed.Select(each => (each.Wrapped, each.Row.Scope)), changed.Count, cancellation).ConfigureAwait(false);
        for (var i = 0; i < changed.Count; i++)
        {
            if (proofs[i].Error is { } error)
            {
                Count(changed[i].Row, error);
            }
            else if (await table.ReplaceAsync(changed[i].Row, changed[i].Wrapped, cancellation).ConfigureAwait(false))
            {
                rewrapped++;
            }
            else
            {
                // Another process wrapped it again in the meantime: as good.
                newest++;
            }
        }
    }

    // Refused as a whole when nothing of it is granted: then that is every row's reason, and the walk goes on.
    private async Task<IReadOnlyList<(RewrappedDataKey? Rewrapped, string? Error)>> CallAsync(
        IEnumerable<(ReadOnlyMemory<byte>, DataKeyScope)> items, int count, CancellationToken cancellation)
    {
        try
        {
            return await dataKeys.RewrapManyAsync(items, cancellation).ConfigureAwait(false);
        }
        catch (KeyServiceException e) when (e.Reason == "ACCESS_DENIED")
        {
            return [.. Enumerable.Repeat(((RewrappedDataKey?)null, (string?)e.Reason), count)];
        }
    }

    private void Count(WrappedKeyRow row, string? error)
    {
        if (error is null)
        {
            newest++;
        }
        else
        {
            failures.Add(new RewrapFailure(row.Id, error));
        }
    }

    private RewrapProgress Now() => new(seen, rewrapped, newest, [.. failures]);
}
