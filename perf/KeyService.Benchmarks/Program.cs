using BenchmarkDotNet.Running;
using KeyService.Benchmarks.Archives;
using KeyService.Benchmarks.Ciphering;
using KeyService.Benchmarks.Crypto;
using KeyService.Benchmarks.Hsm;
using KeyService.Benchmarks.Keys;
using KeyService.Benchmarks.Sdk;
using KeyService.Benchmarks.Storage;

if (args is ["crypto-cpu"])
{
    CpuTimeReport.Run();
    return;
}
if (args is ["ciphering-cpu"])
{
    BatchCpuReport.Run();
    return;
}
if (args is ["sdk-fields"])
{
    await FieldReport.RunAsync();
    return;
}
var rounds = args is [_, var given] && int.TryParse(given, out var number) ? number : 0;
if (args is ["hsm-data-keys", ..])
{
    await DataKeyReport.RunAsync(rounds > 0 ? rounds : 41);
    return;
}
if (args is ["hsm-concurrency", ..])
{
    await ConcurrencyReport.RunAsync(rounds > 0 ? rounds : 11);
    return;
}
if (args is ["store", ..])
{
    await StoreThroughput.RunAsync(args.ElementAtOrDefault(1) ?? Path.GetTempPath(), int.Parse(args.ElementAtOrDefault(2) ?? "5", null));
    return;
}
if (args is ["postgres-audit", var host, var user, var database, ..])
{
    await PostgresAuditReport.RunAsync(host, user, database, int.Parse(args.ElementAtOrDefault(4) ?? "5", null));
    return;
}
if (args is ["audit-search", var socket, var asUser, var audit, ..])
{
    await AuditSearchReport.RunAsync(
        socket, asUser, audit, long.Parse(args.ElementAtOrDefault(4) ?? "20000000", null), int.Parse(args.ElementAtOrDefault(5) ?? "5", null));
    return;
}
if (args is ["keys-at-size", var where, var role, var small, var large, ..])
{
    await KeysAtSizeReport.RunAsync(
        where, role, small, large, int.Parse(args.ElementAtOrDefault(5) ?? "1000000", null), int.Parse(args.ElementAtOrDefault(6) ?? "5", null));
    return;
}
if (args is ["archive-file", ..])
{
    FileReport.Run(args[1..]);
    return;
}
if (args is ["archive-file-once", _, _, _])
{
    await FileReport.RunOnce(args[1..]);
    return;
}
BenchmarkSwitcher.FromAssembly(typeof(StoreThroughput).Assembly).Run(args);
