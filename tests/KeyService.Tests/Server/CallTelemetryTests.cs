using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using KeyService.Crypto;
using KeyService.Server.Audit;
using KeyService.Server.Telemetry;

namespace KeyService.Tests.Server;

public sealed class CallTelemetryTests
{
    [Fact]
    public void A_million_keys_are_no_million_series_and_who_is_refused_makes_none()
    {
        var method = $"test/{Guid.NewGuid():N}";
        var keys = new ConcurrentDictionary<string, bool>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, self) =>
            {
                if (instrument.Name == "keyservice.operations")
                    self.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<long>((_, _, tags, _) =>
        {
            var seen = tags.ToArray().ToDictionary(tag => tag.Key, tag => (string)tag.Value!);
            if (seen["rpc.method"] == method)
                keys[seen["key"]] = true;
        });
        listener.Start();

        CallTelemetry.End(null, method, Record("refused/key", AuditOutcome.Refused), TimeSpan.Zero);
        Assert.Equal(["other"], keys.Keys);
        for (var number = 0; number < CallTelemetry.MaxKeySeries + 100; number++)
            CallTelemetry.End(null, method, Record($"many/{number}", AuditOutcome.Success), TimeSpan.Zero);
        Assert.InRange(keys.Count, 2, CallTelemetry.MaxKeySeries + 1);
    }

    private static AuditRecordDraft Record(string key, AuditOutcome outcome) =>
        new(AuditEvent.FieldEncrypted) { Key = key, Outcome = outcome };
}
