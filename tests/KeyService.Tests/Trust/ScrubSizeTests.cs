using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using KeyService.Server.Access;
using KeyService.Server.Audit;
using KeyService.Server.Storage;

namespace KeyService.Tests.Trust;

/// <summary>Run by hand: how long a scrub of many rows takes, and with how much memory. ROWS says how many, a million by default.</summary>
public sealed class ScrubSizeTests(ITestOutputHelper output)
{
    private const int RowsInRecord = 150;

    [Fact(Explicit = true)]
    public async Task Many_rows_are_scrubbed_in_bounded_memory()
    {
        var rows = int.Parse(Environment.GetEnvironmentVariable("ROWS") ?? "1000000", CultureInfo.InvariantCulture);
        await using var trusted = await TrustedStore.MakeAsync(rememberOld: false);
        trusted.File.Edit($"""
            WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {rows - 1})
            INSERT INTO principals (name, type, credential_kind, credential_value, disabled, created_at, revision, mac)
            SELECT printf('p%08d', i), 1, 3, printf('%d', 1000000 + i), 0, 1, 1, zeroblob(32) FROM n
            """);
        for (var from = 0; from < rows; from += RowsInRecord)
        {
            var record = new AuditRecordDraft(AuditEvent.PrincipalCreated);
            for (var number = from; number < Math.Min(rows, from + RowsInRecord); number++)
            {
                var row = new PrincipalRow
                {
                    Name = $"p{number:d8}", Type = 1, CredentialKind = 3, CredentialValue = $"{1000000 + number}", CreatedAt = 1, Revision = 1,
                };
                record.AddChange(new RowChange("principals", row.Name, 1, SHA256.HashData(row.Canonical())));
            }

            await trusted.Store.CommitAsync(record, null, CancellationToken.None);
        }

        foreach (var run in new[] { "from the beginning", "continued" })
        {
            GC.Collect();
            var before = GC.GetTotalMemory(forceFullCollection: true);
            var started = Stopwatch.GetTimestamp();
            var report = await trusted.ScrubAsync();
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{run}: {report.Rows} rows, {report.Records} records, {Stopwatch.GetElapsedTime(started).TotalSeconds:0.0} s, "
                + $"{(GC.GetTotalMemory(forceFullCollection: true) - before) / 1024 / 1024} MiB kept, "
                + $"{Process.GetCurrentProcess().PeakWorkingSet64 / 1024 / 1024} MiB at most"));
            Assert.True(report.IsClean, report.Summary);
        }
    }
}
