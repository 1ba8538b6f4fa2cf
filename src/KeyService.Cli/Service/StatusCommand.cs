using System.CommandLine;
using KeyService.Cli.CommandLine;
using KeyService.Cli.Output;
using KeyService.Protocol.V1;

namespace KeyService.Cli.Service;

/// <summary><c>keyservice status</c></summary>
internal static class StatusCommand
{
    public static Command Create()
    {
        var hsm = new Option<bool>("--hsm") { Description = "Also what the HSM module was seen to guarantee" };
        return new Command("status", "Show the state of the service; exit code 5 when a part is not healthy") { hsm }.Runs(async run =>
        {
            using var client = run.Connect();
            var status = await client.Service.GetStatusAsync(run.Cancellation).ConfigureAwait(false);
            var record = Of(status);
            if (run.Get(hsm))
            {
                record["hsm"] = Of(await client.Service.GetHsmGuaranteesAsync(run.Cancellation).ConfigureAwait(false));
            }
            run.Report.Write(record);
            return status.Components.All(component => component.Healthy) ? ExitCode.Ok : ExitCode.Unavailable;
        });
    }

    private static Record Of(GetStatusResponse status) => new()
    {
        ["version"] = status.Version,
        ["profile"] = status.Profile,
        ["start_time"] = Times.Of(status.StartTime),
        ["server_time"] = Times.Of(status.ServerTime),
        ["uptime_seconds"] = status.Uptime?.Seconds ?? 0,
        ["key_count"] = status.KeyCount,
        ["certificate_expire_time"] = Times.Of(status.CertificateExpireTime),
        ["components"] = status.Components.Select(component => new Record
        {
            ["name"] = component.Name,
            ["healthy"] = component.Healthy,
            ["detail"] = component.Detail,
            ["last_probe_milliseconds"] = component.LastProbeLatency?.ToTimeSpan().TotalMilliseconds,
        }).ToList(),
    };

    private static Record Of(GetHsmGuaranteesResponse hsm) => new()
    {
        ["module_path"] = hsm.ModulePath,
        ["module_description"] = hsm.ModuleDescription,
        ["token_label"] = hsm.TokenLabel,
        ["token_serial"] = hsm.TokenSerial,
        ["development_only"] = hsm.DevelopmentOnly,
        ["guarantees"] = hsm.Guarantees.Select(one => new Record { ["name"] = one.Name, ["held"] = one.Held, ["detail"] = one.Detail }).ToList(),
        ["mechanisms"] = hsm.Mechanisms.Select(one => new Record
        {
            ["role"] = one.Role,
            ["algorithm"] = one.Algorithm,
            ["mechanism"] = $"0x{one.Mechanism:X4}",
            ["known_answer_passed"] = one.KnownAnswerPassed,
        }).ToList(),
    };
}
