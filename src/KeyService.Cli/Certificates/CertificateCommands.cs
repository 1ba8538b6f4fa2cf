using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Certificates;

/// <summary><c>keyservice certificate …</c></summary>
internal static class CertificateCommands
{
    public static Command Create() => new("certificate", "Look at certificates") { List() };

    private static Command List() => new Command("list",
        "List certificates of the server, its authorities, and clients seen since its start, what ends first at the top")
        .Runs(async run =>
        {
            using var client = run.Connect();
            await run.Report.WriteListAsync(
                client.Service.ListCertificatesAsync(run.Cancellation).Select(Of), "No certificates: the service listens on no TCP address.", run.Cancellation)
                .ConfigureAwait(false);
        });

    private static Record Of(Certificate certificate) => new Record
    {
        ["role"] = EnumNames.Of(certificate.Role),
        ["principal"] = Absent(certificate.Principal),
        ["subject"] = certificate.Subject,
        ["expire_time"] = Times.Of(certificate.ExpireTime),
        ["last_seen_time"] = Times.Of(certificate.LastSeenTime),
        ["finding"] = Absent(certificate.Finding),
    }
    .Detail("start_time", Times.Of(certificate.StartTime))
    .Detail("serial_number", certificate.SerialNumber)
    .Detail("fingerprint_sha256", certificate.FingerprintSha256)
    .Detail("connections", certificate.Connections);

    private static string? Absent(string text) => text.Length == 0 ? null : text;
}
