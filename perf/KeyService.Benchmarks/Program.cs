using BenchmarkDotNet.Running;
using KeyService.Benchmarks.Crypto;

if (args is ["crypto-cpu"])
{
    CpuTimeReport.Run();
    return;
}
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
