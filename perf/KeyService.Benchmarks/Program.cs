using BenchmarkDotNet.Running;
using KeyService.Benchmarks.Crypto;
using KeyService.Benchmarks.Hsm;

if (args is ["crypto-cpu"])
{
    CpuTimeReport.Run();
    return;
}
if (args is ["hsm-data-keys", ..])
{
    await DataKeyReport.RunAsync(args is [_, var rounds] ? int.Parse(rounds, System.Globalization.CultureInfo.InvariantCulture) : 41);
    return;
}
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
