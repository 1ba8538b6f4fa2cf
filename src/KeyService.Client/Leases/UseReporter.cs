using System.Buffers.Binary;

namespace KeyService.Client;

/// <summary>
/// Carries use counts to the service's audit log. What could not be sent waits, added up by data key, in bounded memory; a batch that may have
/// arrived is sent again as it was, under its own request id, so that it counts once. Collecting is thread-safe; one flush at a time.
/// </summary>
internal sealed class UseReporter(DataKeyCalls dataKeys, TimeProvider time) : IDisposable
{
    /// <summary>Data keys that may wait.</summary>
    private const int MostWaiting = 4096;

    private readonly Lock gate = new();
    private readonly SemaphoreSlim turn = new(1);
    private readonly Dictionary<(string Version, UInt128 Id), UseCounts> waiting = [];
    private Batch? sent;

    /// <summary>Data keys whose counts the service has not taken.</summary>
    public int Backlog
    {
        get
        {
            lock (gate)
            {
                return waiting.Count + (sent?.Uses.Count ?? 0);
            }
        }
    }

    public void Collect(string keyVersion, UInt128 id, UseCounts counts)
    {
        if (counts == default)
        {
            return;
        }
        LeaseMetrics.CacheHits.Add(counts.EncryptedMessages + counts.DecryptedMessages);
        lock (gate)
        {
            if (waiting.TryGetValue((keyVersion, id), out var before))
            {
                waiting[(keyVersion, id)] = before + counts;
            }
            else if (waiting.Count < MostWaiting)
            {
                waiting.Add((keyVersion, id), counts);
                LeaseMetrics.BacklogChanged(1);
            }
            else
            {
                LeaseMetrics.ReportsDropped.Add(1);
            }
        }
    }

    /// <summary>Sends all that waits; false when the service was away and it goes on waiting.</summary>
    public async Task<bool> FlushAsync(CancellationToken cancellation)
    {
        await turn.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            while (Next() is { } batch)
            {
                try
                {
                    await dataKeys.ReportUseAsync(batch.KeyVersion, batch.Uses.Select(ToReport), batch.RequestId, cancellation).ConfigureAwait(false);
                }
                catch (KeyServiceException e) when (LeaseFaults.IsAway(e))
                {
                    return false;
                }
                catch (KeyServiceException)
                {
                    // Refused for good: sending it again would be refused again.
                    LeaseMetrics.ReportsDropped.Add(batch.Uses.Count);
                }
                Done(batch);
            }
            return true;
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>Gives up what is left, at the end.</summary>
    public void Abandon()
    {
        lock (gate)
        {
            var left = waiting.Count + (sent?.Uses.Count ?? 0);
            if (left > 0)
            {
                LeaseMetrics.ReportsDropped.Add(left);
                LeaseMetrics.BacklogChanged(-left);
            }
            waiting.Clear();
            sent = null;
        }
    }

    public void Dispose() => turn.Dispose();

    private Batch? Next()
    {
        lock (gate)
        {
            if (sent is null && waiting.Count > 0)
            {
                var version = waiting.First().Key.Version;
                var uses = waiting.Where(each => each.Key.Version == version).Take(DataKeyCalls.MaxReportedKeys)
                    .Select(each => (each.Key.Id, each.Value)).ToList();
                foreach (var (id, _) in uses)
                {
                    waiting.Remove((version, id));
                }
                sent = new Batch(Guid.NewGuid().ToString("D"), version, uses);
            }
            return sent;
        }
    }

    private void Done(Batch batch)
    {
        lock (gate)
        {
            if (sent == batch)
            {
                sent = null;
                LeaseMetrics.BacklogChanged(-batch.Uses.Count);
            }
        }
    }

    private DataKeyUsageReport ToReport((UInt128 Id, UseCounts Counts) use)
    {
        var id = new byte[DataKeyScope.SubjectIdLength];
        BinaryPrimitives.WriteUInt128BigEndian(id, use.Id);
        var counts = use.Counts;
        return new DataKeyUsageReport(
            id, counts.EncryptedMessages, counts.EncryptedBytes, counts.DecryptedMessages, counts.DecryptedBytes, counts.GraceMessages,
            TimeSpan.FromSeconds((double)counts.GraceTicks / time.TimestampFrequency));
    }

    private sealed record Batch(string RequestId, string KeyVersion, List<(UInt128 Id, UseCounts Counts)> Uses);
}
